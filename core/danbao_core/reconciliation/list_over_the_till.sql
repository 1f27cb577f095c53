-- Of these, the fundings that no bank was asked for.
SELECT id FROM funding WHERE id = ANY($1) AND attempts = 0

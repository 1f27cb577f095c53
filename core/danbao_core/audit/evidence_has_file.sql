-- Evidence with a file has it, of the size and with the SHA-256 that it says; evidence without one has none; a file is of evidence.
WITH broken AS MATERIALIZED (
    SELECT
        coalesce(evidence.id, evidence_file.id) AS id,
        CASE
            WHEN evidence.id IS NULL THEN 'is missing, but its file is not'
            WHEN evidence.size_bytes > 0 AND evidence_file.id IS NULL THEN format('lacks its file of %s bytes', evidence.size_bytes)
            WHEN evidence.size_bytes = 0 AND evidence_file.id IS NOT NULL THEN 'has a file of which it does not know'
            WHEN evidence.size_bytes <> length(evidence_file.content)
                THEN format('is of %s bytes, but its file is of %s', evidence.size_bytes, length(evidence_file.content))
            WHEN evidence.sha256 <> sha256(evidence_file.content) THEN 'has a file that is not the one that was shown'
        END AS breach
    FROM evidence
    FULL JOIN evidence_file ON evidence_file.id = evidence.id
)
SELECT format('evidence %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1

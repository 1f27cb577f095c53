-- Debits that a statement has as taken back (movement 3), and that are not booked so.
SELECT transfer_id, there_minor, currency FROM difference WHERE state = 1 AND movement = 3 AND here_minor IS NULL

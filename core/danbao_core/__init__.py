"""The core of Danbao: ledger, escrow, payments and the commit engine that writes them to Postgres."""

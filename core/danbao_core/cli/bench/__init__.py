"""`danbao bench`: how fast it is, beside what else the same machine can do. Start reading at `command.py`.

figures.py     what is measured, which figures are set against each other, and the goals (pure)
ground.py      what it stands on: a sandbox, or an outside Postgres; databases.py makes databases there
stack.py       what runs on that: servers, an echo server, load generators; processes.py, pgbench.py
filling.py     payments by the million, written by Postgres
contenders.py  one run of each contender, and the rounds; cold_start.py
endurance.py   memory over many payments
jobs.py        what the load generator is told, and what it answers
load.py        the load generator, and echo.py the echo server: processes of their own
profiling.py   where the time goes
report.py      the figures as JSON and as tables; chart.py as a picture
"""

from typing import Final

FULL_SECONDS: Final = 5.0
"""A turn, unless it is told otherwise. What is done a number of times, not for a time, is done less often in shorter ones."""

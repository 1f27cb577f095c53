"""A whole stack as processes, under a mixed load, into which a seed injects faults; and what must be true afterwards.

schedule.py     seed -> what is injected, and after how many calls (pure)
link.py         the connections between the parts, which can be cut, held up and watched for a COMMIT
stack.py        Postgres, Valkey, two servers, two workers and the bank, kept alive by the supervisor of `danbao up`
workload.py     buyers and a shop over real gRPC, and the record of what was asked and answered
injecting.py    carries a schedule out
settling.py     afterwards: ask again what was not answered, let time pass, wait until nothing is left to do
checks.py       what must be true of the database, the receiver and the processes
run.py          one seed from the first call to the last check
__main__.py     many seeds, with a report: `make faults SEEDS=200`
"""

"""The truth about a benchmark: takes results in, keeps them, scores them, compares them, reports them.

Raw records are stored once and never changed; every score, statistic and wording is derived from them and
can be derived again. The collector runs no model of the benchmark and measures nothing itself.
"""

"""The collector: receives the results of a benchmark, stores them, scores them, compares them, reports them.

Raw records are stored once and never changed. Every score, statistic and sentence is derived from them and
can be derived again. The collector does not run the models of the benchmark, and measures nothing itself.
"""

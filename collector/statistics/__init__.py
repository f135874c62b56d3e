"""The statistics of the report, as pure functions of numbers; random draws use a fixed seed."""

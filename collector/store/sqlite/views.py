"""The views for use by hand, by Datasette and by Grafana: two steps of the schema.

Like every step, they are never edited after a release: a later step drops the views and creates new ones.
"""

# ruff: noqa: S608  # our own names

from typing import Final

_RUN_COLUMNS: Final = """\
    runs.weights_origin, runs.bundle_sha256,
    ifnull((SELECT name FROM question_sets WHERE sha256 = runs.questions_sha256), runs.questions_name)
        AS questions,
    runs.questions_selected AS asked, finishes.answered, finishes.errors,
    ifnull(finishes.status, 'running') AS status,
    nullif(finishes.reason, '') AS reason,
    runs.started_at, finishes.elapsed_ns / 1e9 AS elapsed_s,
    finishes.load_ns / 1e6 AS load_ms, finishes.first_ns / 1e6 AS first_ms,
    finishes.peak_rss_bytes / 1e6 AS peak_rss_mb,
    json_extract(runs.device, '$.model') AS device_model,
    json_extract(runs.device, '$.cpu_model') AS cpu_model,
    json_extract(runs.settings, '$.threads') AS threads"""
_ANSWER_COLUMNS: Final = """\
    answers.seq, answers.question_id, answers.repeat, answers.text, answers.confidence,
    (answers.tokenize_ns + answers.infer_ns + answers.decode_ns) / 1e6 AS ms,
    answers.tokenize_ns / 1e6 AS tokenize_ms, answers.infer_ns / 1e6 AS infer_ms,
    answers.decode_ns / 1e6 AS decode_ms"""
_SAMPLE_COLUMNS: Final = """\
    samples.seq, samples.at_ns / 1e9 AS at_s, samples.temperature_celsius,
    samples.clock_hz / 1e6 AS clock_mhz, samples.throttle,
    samples.worker_rss_bytes / 1e6 AS worker_rss_mb, samples.energy_joules"""
"""These columns are common to the two steps, and are never edited either."""

VIEWS: Final = (
    "DROP VIEW results",
    f"""CREATE VIEW v_runs AS
    -- One row a run: who measured what, how it went and, in seconds and megabytes, what it cost.
SELECT streams.run_id, streams.device_id, runs.hardware_class, runs.model, runs.title, runs.precision,
{_RUN_COLUMNS}
FROM runs JOIN streams USING (stream) LEFT JOIN finishes USING (stream)""",
    f"""CREATE VIEW v_answers AS
    -- One row an answer, with its run, its time in milliseconds and its scores. A run of random weights has
    -- no scores; `marks` says why a time does not count.
SELECT streams.run_id, streams.device_id, runs.hardware_class, runs.model, runs.precision,
{_ANSWER_COLUMNS}, answers.tokens, answers.windows, answers.at_ns / 1e9 AS at_s,
    answers.marks, answers.error, scores.exact_match, scores.f1
FROM answers JOIN streams USING (stream) JOIN runs USING (stream) LEFT JOIN scores USING (stream, seq)""",
    f"""CREATE VIEW v_samples AS
    -- One row a look at the machine between two questions: heat, clock, throttling, memory, energy.
SELECT streams.run_id, streams.device_id, runs.hardware_class, runs.model, runs.precision,
{_SAMPLE_COLUMNS}
FROM samples JOIN streams USING (stream) JOIN runs USING (stream)""",
    """CREATE VIEW v_devices AS
    -- One row a device, as its latest run describes it.
SELECT streams.device_id, runs.hardware_class, json_extract(runs.device, '$.model') AS model,
    json_extract(runs.device, '$.architecture') AS architecture,
    json_extract(runs.device, '$.cpu_model') AS cpu_model, json_extract(runs.device, '$.cores') AS cores,
    json_extract(runs.device, '$.memory_bytes') / 1e6 AS memory_mb,
    json_extract(runs.device, '$.os') AS os, json_extract(runs.device, '$.kernel') AS kernel,
    latest.runs, runs.started_at AS latest_run_at
FROM (SELECT device_id, max(stream) AS stream, count(*) AS runs
    FROM streams JOIN runs USING (stream) GROUP BY device_id) AS latest
JOIN streams USING (stream) JOIN runs USING (stream)""",
    """CREATE VIEW v_questions AS
    -- One row a question that was added, with its context and its first gold answer.
SELECT question_sets.name AS questions, questions.question_id, passages.title, questions.question,
    passages.context, golds.text AS gold,
    (SELECT count(*) FROM golds AS all_golds WHERE all_golds.question_set = questions.question_set
        AND all_golds.question_id = questions.question_id) AS golds
FROM questions JOIN question_sets USING (question_set) JOIN passages USING (question_set, passage)
LEFT JOIN golds ON golds.question_set = questions.question_set
    AND golds.question_id = questions.question_id AND golds.position = 0""",
)

SCENARIO_VIEWS: Final = (
    "DROP VIEW v_runs",
    "DROP VIEW v_answers",
    "DROP VIEW v_samples",
    f"""CREATE VIEW v_runs AS
    -- One row a run: who measured what, how it went and, in seconds and megabytes, what it cost. What a time
    -- is depends on the `scenario`; the last columns are what offline, server and sustained are for.
SELECT streams.run_id, streams.device_id, runs.hardware_class, runs.model, runs.title, runs.precision,
    json_extract(runs.settings, '$.scenario') AS scenario,
{_RUN_COLUMNS},
    json_extract(finishes.outcome, '$.questions_per_second') AS questions_per_second,
    json_extract(finishes.outcome, '$.valid_qps') AS valid_per_second,
    json_extract(finishes.outcome, '$.throttled_after_ns') / 1e9 AS slowed_down_after_s
FROM runs JOIN streams USING (stream) LEFT JOIN finishes USING (stream)""",
    f"""CREATE VIEW v_answers AS
    -- One row an answer, with its run, its time in milliseconds and its scores. A run of random weights has
    -- no scores; `marks` says why a time does not count, and `waited_ms`, of server, is not part of it.
SELECT streams.run_id, streams.device_id, runs.hardware_class, runs.model, runs.precision,
    json_extract(runs.settings, '$.scenario') AS scenario,
{_ANSWER_COLUMNS}, answers.waited_ns / 1e6 AS waited_ms,
    answers.tokens, answers.windows, answers.at_ns / 1e9 AS at_s,
    answers.marks, answers.error, scores.exact_match, scores.f1
FROM answers JOIN streams USING (stream) JOIN runs USING (stream) LEFT JOIN scores USING (stream, seq)""",
    f"""CREATE VIEW v_samples AS
    -- One row a look at the machine between two questions: heat, clock, throttling, memory, energy.
SELECT streams.run_id, streams.device_id, runs.hardware_class, runs.model, runs.precision,
    json_extract(runs.settings, '$.scenario') AS scenario,
{_SAMPLE_COLUMNS}
FROM samples JOIN streams USING (stream) JOIN runs USING (stream)""",
)
"""The same views, with the results of scenarios other than single-stream."""

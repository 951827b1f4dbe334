CREATE OR REPLACE VIEW pull_coverage AS
WITH complete AS (
    SELECT
        connection,
        since,
        until,
        max(until) OVER (PARTITION BY connection ORDER BY since, until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS covered_until
    FROM pulls
    WHERE outcome = 'complete' AND kind <> 'sweep' AND since < until -- a listing of open orders covers no time
),
windows AS (
    SELECT
        connection,
        min(since) AS covered_since,
        max(until) AS covered_until,
        list({'since': covered_until, 'until': since} ORDER BY since) FILTER (since > covered_until) AS gaps
    FROM complete
    GROUP BY connection
),
attempts AS (
    SELECT
        connection,
        max(finished_at) FILTER (outcome = 'complete') AS last_complete_at,
        max(finished_at) AS last_attempt_at,
        arg_max(outcome, id) AS last_outcome,
        arg_max(error_code, id) FILTER (outcome <> 'complete') AS last_error_code
    FROM pulls
    GROUP BY connection
)
SELECT
    connection,
    windows.covered_since,
    windows.covered_until,
    coalesce(len(windows.gaps), 0) AS gap_count,
    coalesce(windows.gaps, []) AS gaps,
    attempts.last_complete_at,
    attempts.last_attempt_at,
    attempts.last_outcome,
    attempts.last_error_code
FROM attempts
LEFT JOIN windows USING (connection)
ORDER BY connection;

COMMENT ON VIEW pull_coverage IS 'Per connection: what time is covered by complete pulls, and where nothing was read.';

-- connection < pulls.connection
-- covered_since < pulls.since: Start of the first complete window; null before any, and where only open orders are listed.
-- covered_until < pulls.until: End of the last complete window; null as covered_since.
-- gap_count BIGINT < pulls.since, pulls.until: Stretches of time in between that no complete pull covers.
-- gaps STRUCT(since TIMESTAMPTZ, "until" TIMESTAMPTZ)[] < pulls.since, pulls.until: These stretches: since, until.
-- last_complete_at < pulls.finished_at: When a pull was last complete.
-- last_attempt_at < pulls.finished_at: When a pull last ended, well or not.
-- last_outcome < pulls.outcome: How the last pull ended: complete, failed or abandoned.
-- last_error_code < pulls.error_code: Why the last one that was not complete failed.

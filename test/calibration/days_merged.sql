-- How wrong it is to merge days of the same users: the table of docs/rollups.md.  A/A experiments of 100 users,
-- whose days correlate by rho; false positives of the 5 % test, in percent.  It takes about a minute:
--
--   script/with-server -c work_mem=256MB psql -X -q -f test/calibration/days_merged.sql

CREATE EXTENSION expstat;
SET jit = off;
SELECT setseed(0.5) \g /dev/null

CREATE TEMP TABLE user_days AS
SELECT rho, experiment, user_id, CASE WHEN user_id % 2 = 0 THEN 'a' ELSE 'b' END AS variant, day,
	sqrt(rho) * taste + sqrt(1 - rho) * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS y
FROM (SELECT rho, experiment, user_id, sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS taste
	FROM unnest('{0,0.1,0.5}'::float8[]) AS rho, generate_series(1, 2000) AS experiment, generate_series(1, 100) AS user_id) AS u,
	generate_series(1, 14) AS day;

WITH lengths (days) AS (
	VALUES (2), (7), (14)
), states_of_days AS (
	SELECT rho, experiment, day, moments_agg(y, variant) AS m FROM user_days GROUP BY rho, experiment, day
), days_merged AS (
	SELECT rho, days, experiment, moments_agg(m) AS m
	FROM states_of_days JOIN lengths ON day <= days GROUP BY rho, days, experiment
), sums AS (
	SELECT rho, days, experiment, user_id, variant, sum(y) AS y
	FROM user_days JOIN lengths ON day <= days GROUP BY rho, days, experiment, user_id, variant
), sum_per_user AS (
	SELECT rho, days, experiment, moments_agg(y, variant) AS m FROM sums GROUP BY rho, days, experiment
)
SELECT rho, days, round(100 * avg((wrong.p_value < 0.05)::int), 1) AS days_merged,
	round(100 * avg((correct.p_value < 0.05)::int), 1) AS sum_per_user
FROM days_merged AS d JOIN sum_per_user AS u USING (rho, days, experiment), welch_t(d.m) AS wrong, welch_t(u.m) AS correct
GROUP BY rho, days ORDER BY rho, days;

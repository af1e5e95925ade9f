-- How long a running experiment still takes.

CREATE FUNCTION how_long_still(
	m moments,
	days_so_far integer,
	effect float8,
	relative boolean DEFAULT false,
	power float8 DEFAULT 0.8,
	control text DEFAULT NULL,
	metric integer DEFAULT 1,
	covariates integer[] DEFAULT '{}',
	null_diff float8 DEFAULT 0,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1,
	arrivals float8[] DEFAULT NULL,
	whole_weeks boolean DEFAULT true
) RETURNS SETOF remaining_result
LANGUAGE SQL IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
WITH arms AS (
	SELECT greatest(2, count(*))::integer AS variants, sum(s.n)::float8 AS units
	FROM moments_summary(m) AS s
	WHERE s.metric = 1 AND how_long_still_check(days_so_far, whole_weeks)
),
-- An arm without two units has no plan.  A comparison has an alpha of its own: here it is the argument.
plans AS MATERIALIZED (
	SELECT c.variant, c.control, c.n, c.n_control, a.units,
		   CASE WHEN c.n > 1 AND c.n_control > 1 THEN
				sample_size_mean(m, effect, relative, power, metric, covariates, null_diff,
								 c.n::float8 / c.n_control, how_long_still.alpha, alternative, a.variants, metrics,
								 inflation) END AS whole,
		   CASE WHEN c.n > 1 AND c.n_control > 1 THEN
				power_mean(m, c.n_control, effect, relative, metric, covariates, null_diff,
						   c.n::float8 / c.n_control, how_long_still.alpha, alternative, a.variants, metrics,
						   inflation) END AS now,
		   CASE WHEN c.n > 1 AND c.n_control > 1 THEN
				mde_mean(m, c.n_control, power, metric, covariates, null_diff,
						 c.n::float8 / c.n_control, how_long_still.alpha, alternative, a.variants, metrics,
						 inflation) END AS smallest
	FROM arms AS a, welch_t(m, control) AS c
),
-- All arms grow alike.
rest AS MATERIALIZED (
	SELECT p.*,
		   duration(CASE WHEN (p.whole).n_control_exact > 0 THEN
						 ceil(greatest(0, p.units * ((p.whole).n_control_exact / p.n_control - 1)))::bigint END,
					coalesce(arrivals, CASE WHEN days_so_far > 0 THEN ARRAY[p.units / days_so_far] END), 1, false) AS days
	FROM plans AS p
)
SELECT r.variant, r.control, r.n, r.n_control, (r.whole).n, (r.whole).n_control, (r.now).power,
	   (r.smallest).effect, (r.smallest).lift, days_so_far,
	   CASE WHEN whole_weeks
			THEN (7 * ceil((days_so_far + (r.days).days) / 7.0))::integer - days_so_far
			ELSE (r.days).days END,
	   (r.whole).method
FROM rest AS r
ORDER BY r.variant COLLATE "C";
END;
COMMENT ON FUNCTION how_long_still(moments, integer, float8, boolean, float8, text, integer, integer[], float8, float8, text, integer, float8, float8[], boolean) IS
'days that a running experiment still needs to find an effect of its mean, from the variance and the arrivals so far';

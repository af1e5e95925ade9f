-- Checks of exposure logs with nothing wrong in them: :experiments logs of 1000 units, a week, three platforms.

SELECT setseed(:seed) \g /dev/null
SET jit = off;

CREATE TEMPORARY TABLE log AS
SELECT experiment, i AS unit, CASE WHEN random() < 0.5 THEN 'control' ELSE 'treatment' END AS variant,
	'2026-03-02 00:00+00'::timestamptz + random() * interval '7 days' AS exposed_at,
	(ARRAY['ios', 'android', 'web'])[1 + floor(3 * random())::int] AS platform
FROM generate_series(1, :experiments) AS experiment, generate_series(1, 1000) AS i;
CREATE INDEX ON log (experiment);
ANALYZE log;

-- The functions take the name of a relation: this one is the experiment that the setting says.
CREATE TEMPORARY VIEW exposures AS
SELECT unit, variant, exposed_at, platform FROM log WHERE experiment = current_setting('calibrate.experiment')::integer;

CREATE TEMPORARY TABLE verdict (call text, figure text, promised text, nominal float8, hit boolean);

DO $$
BEGIN
	FOR e IN 1 .. (SELECT max(experiment) FROM log) LOOP
		PERFORM set_config('calibrate.experiment', e::text, false);
		INSERT INTO verdict
		SELECT 'srm_by_day', 'p_adjusted <= 0.05 on any of 7 days', '<=', 0.05, min(p_adjusted) <= 0.05
		FROM srm_by_day('exposures', 'unit', 'variant', 'exposed_at', '{control,treatment}')
		UNION ALL
		SELECT 'srm_by_day', 'p_sequential <= 0.05 on any of 7 days', '<=', 0.05, min(p_sequential) <= 0.05
		FROM srm_by_day('exposures', 'unit', 'variant', 'exposed_at', '{control,treatment}')
		UNION ALL
		SELECT 'srm_by_segment', 'p_adjusted <= 0.05 in any of 3 segments', '<=', 0.05, min(p_adjusted) <= 0.05
		FROM srm_by_segment('exposures', 'unit', 'variant', 'exposed_at', '{platform}', '{control,treatment}')
		UNION ALL
		SELECT 'exposure_health', format('%s fails, alpha 0.05', check_name), '<=', 0.05, status = 'fail'
		FROM exposure_health('exposures', 'unit', 'variant', 'exposed_at', '{control,treatment}', segments => '{platform}', alpha => 0.05)
		WHERE check_name LIKE 'srm%'
		UNION ALL
		SELECT 'exposure_health', 'any check fails', '<=', 0.004, bool_or(status = 'fail')
		FROM exposure_health('exposures', 'unit', 'variant', 'exposed_at', '{control,treatment}', segments => '{platform}');
	END LOOP;
END
$$;

INSERT INTO rate
SELECT call, '1000 units, 7 days, 3 platforms', figure, promised, nominal, count(*), count(*) FILTER (WHERE hit)
FROM verdict
GROUP BY call, figure, promised, nominal;

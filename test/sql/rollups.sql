-- States kept in a table: loaded once, replaced, merged, and checked for units that count twice.
\pset null (null)
SET timezone = 'UTC';
CREATE TEMP TABLE units (experiment text, user_id int, variant text, "Platform" text, cohort date, revenue float8,
	rolled_up boolean NOT NULL DEFAULT false, PRIMARY KEY (experiment, user_id));
INSERT INTO units
SELECT 'checkout', i, (ARRAY['control', 'bold', 'short'])[1 + i % 3], (ARRAY['ios', 'web'])[1 + i % 2], '2026-03-01'::date + i % 4, i % 10
FROM generate_series(1, 240) i;
CREATE TEMP TABLE rollups (experiment text, cohort date, platform text, m moments NOT NULL, PRIMARY KEY (experiment, cohort, platform));
CREATE TEMP TABLE from_rows AS SELECT moments_agg(revenue, variant) AS m FROM units;

-- Merging two: a state, finished; NULL has no units.
SELECT moments_merge(moments_agg(3, 'a'), moments_agg(1, 'a'));
SELECT moments_merge(moments_agg(3, 'b'), moments_agg(1, 'a'));
SELECT moments_merge(m, NULL) = m AS alone, moments_merge(NULL, m) = m AS other_alone, moments_merge(NULL, NULL) AS nothing FROM from_rows;
SELECT moments_merge(moments_agg(3, 'a'), moments_agg(1, 2, 'a'));

-- Upsert: each unit once, when it is due.
CREATE FUNCTION load(due date) RETURNS bigint LANGUAGE sql AS $$
	WITH fresh AS (
		UPDATE units SET rolled_up = true WHERE NOT rolled_up AND cohort < due RETURNING *
	), merged AS (
		INSERT INTO rollups AS r
		SELECT experiment, cohort, "Platform", moments_agg(revenue, variant) FROM fresh GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
		ON CONFLICT (experiment, cohort, platform) DO UPDATE SET m = moments_merge(r.m, excluded.m)
		RETURNING 1
	)
	SELECT count(*) FROM merged
$$;
SELECT load('2026-03-03') AS first, load('2026-03-03') AS again, load('2026-03-05') AS rest;
-- Late units join their cohort.
INSERT INTO units VALUES ('checkout', 241, 'control', 'web', '2026-03-01', 100), ('checkout', 242, 'bold', 'web', '2026-03-01', 50);
SELECT load('2026-03-05') AS late;
SELECT s.variant, s.n, s.mean::numeric(8, 4), s.variance::numeric(8, 4) FROM (SELECT moments_agg(m) AS m FROM rollups) r, moments_summary(m) s;
SELECT variant, count(*) AS n, avg(revenue)::numeric(8, 4) AS mean, var_samp(revenue)::numeric(8, 4) AS variance FROM units GROUP BY variant ORDER BY variant;

-- By platform and in all; as many units as there are.
SELECT coalesce(platform, 'all') AS platform, c.variant, c.n, c.n_control, c.lift::numeric(6, 4), c.p_value::numeric(6, 4)
FROM (SELECT platform, moments_agg(m) AS m FROM rollups GROUP BY ROLLUP (platform)) s, welch_t(s.m) c
ORDER BY s.platform NULLS LAST, c.variant;
SELECT s.variant, s.n, u.units, s.n - u.units AS excess
FROM (SELECT moments_agg(m) AS m FROM rollups) r, moments_summary(r.m) s
	JOIN (SELECT variant, count(DISTINCT user_id) AS units FROM units GROUP BY variant) u USING (variant)
WHERE s.metric = 1;

-- A NULL in the key: refused by a primary key, one cell under NULLS NOT DISTINCT, and twice as many units under UNIQUE alone.
CREATE TEMP TABLE keyed (cohort date, platform text, m moments NOT NULL, UNIQUE NULLS NOT DISTINCT (cohort, platform));
CREATE TEMP TABLE doubled (cohort date, platform text, m moments NOT NULL, UNIQUE (cohort, platform));
CREATE FUNCTION load_unknown(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO %s AS r SELECT ''2026-03-01'', NULL, moments_agg(revenue, variant) FROM units WHERE user_id = 1 '
				   'ON CONFLICT (cohort, platform) DO UPDATE SET m = excluded.m', target);
END
$$;
SELECT load_unknown('keyed'), load_unknown('doubled') FROM generate_series(1, 2);
SELECT (SELECT sum(s.n) FROM keyed, moments_summary(m) s) AS keyed, (SELECT sum(s.n) FROM doubled, moments_summary(m) s) AS doubled;
\set VERBOSITY sqlstate
INSERT INTO rollups SELECT 'checkout', '2026-03-01', NULL, m FROM keyed;
\set VERBOSITY default

-- May these be merged?
SELECT * FROM cohort_overlaps('units', 'user_id', '{cohort,Platform,variant}', within => '{experiment}');
CREATE TEMP TABLE user_days AS
SELECT user_id, variant, "Platform", day FROM units, generate_series('2026-03-05'::date, '2026-03-05'::date + user_id % 3, '1 day') day;
INSERT INTO user_days VALUES (2, 'bold', NULL, '2026-03-09'), (NULL, 'bold', 'ios', '2026-03-05'), (NULL, 'bold', 'ios', '2026-03-06');
SELECT * FROM cohort_overlaps('user_days', 'user_id', '{day,Platform,variant}');
SELECT * FROM cohort_overlaps('user_days', 'user_id', '{Platform}', within => '{day}');
SELECT * FROM cohort_overlaps('user_days', 'user_id', '{}');
SELECT count(*), bool_and(disjoint) AS nothing_overlaps FROM cohort_overlaps('user_days', 'user_id', NULL, within => '{day,Platform}');

-- Errors say what is wrong, and what would be right.
SELECT * FROM cohort_overlaps('nowhere', 'user_id', '{day}');
\set SHOW_CONTEXT never
SELECT * FROM cohort_overlaps(NULL, 'user_id', '{day}');
SELECT * FROM cohort_overlaps('user_days', NULL, '{day}');
SELECT * FROM cohort_overlaps('user_days', 'user_id', '{day,NULL}');
SELECT * FROM cohort_overlaps('user_days', 'user_id', '{platform}');
SELECT * FROM cohort_overlaps('user_days', 'user_id', '{day}', within => '{experiment}');

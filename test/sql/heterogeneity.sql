-- The effect by segment and by day.
SET extra_float_digits = -3;
\pset null (null)
-- Kidney stones (Charig et al. 1986, BMJ 292, 879-882; Julious and Mullee 1994):
-- open surgery is better for small and for large stones, and worse in total.
CREATE TEMP TABLE stones AS
	SELECT size, moments_agg((i <= cured)::int, treatment) AS m
	FROM (VALUES ('small', 'open', 81, 87), ('large', 'open', 192, 263), ('small', 'control', 234, 270),
		('large', 'control', 55, 80)) v (size, treatment, cured, n), generate_series(1, n) i
	GROUP BY size;
SELECT size, c.estimate, c.estimate_control, c.diff, c.std_error FROM stones, welch_t(m) c ORDER BY size;
SELECT (heterogeneity(m)).* FROM stones \gx
-- The other way round: signs flip, Q stays.
SELECT (heterogeneity(m, 'open')).* FROM stones \gx
-- Segments whose effects differ.
CREATE TEMP TABLE segments AS
	SELECT segment, moments_agg(y, variant) AS m
	FROM (SELECT i % 4 AS segment, v AS variant, i * 7 % 13 + (v = 't')::int * (i % 4 - 1) AS y
		FROM generate_series(1, 400) i, (VALUES ('control'), ('t')) v (v)) r
	GROUP BY segment;
SELECT (heterogeneity(m)).* FROM segments \gx
-- A segment without one variant, or without variance, is left out, and counted.
SELECT h.segments, h.left_out, h.q, h.p_value, h.crude_diff
FROM (SELECT (heterogeneity(m)).* FROM (SELECT m FROM segments WHERE segment < 2
	UNION ALL SELECT moments_filter(m, '{t}') FROM segments WHERE segment = 2
	UNION ALL SELECT '{"version": 1, "metrics": 1, "variants": {"control": {"n": 5, "mean": [1], "comoments": [0]}, "t": {"n": 5, "mean": [2], "comoments": [0]}}}'
	UNION ALL SELECT NULL) s) h;
-- One segment, nothing at all.
SELECT (heterogeneity(m)).* FROM segments WHERE segment = 1 \gx
SELECT (heterogeneity(m)).* FROM segments WHERE false \gx
SELECT (heterogeneity(m, 'nobody')).* FROM segments \gx
SELECT (heterogeneity(moments_agg)).q FROM (SELECT moments_agg(y, v) FROM (VALUES (1, 'a'), (2, 'a'), (3, 'b'), (5, 'b'), (7, 'c'), (8, 'c')) r (y, v)) s;
SELECT heterogeneity(m, segment::text) FROM segments;
SELECT heterogeneity(format('{"version": 1, "metrics": 1, "variants": {"a": {"n": 9, "mean": [%s], "comoments": [1]}, "b": {"n": 9, "mean": [%s], "comoments": [1]}}}', x, -x)::moments)
FROM (VALUES (1e160), (-1e160)) v (x);

-- The trend over days.  By hand: weights 4, 1, 1, slope -15/22.
SELECT (novelty(day, effect, std_error)).* FROM (VALUES (0, 3, 0.5), (1, 2, 1), (3, 1, 1)) d (day, effect, std_error) \gx
-- Each treatment by itself; a day that is too thin has NULLs and is skipped.
CREATE TEMP TABLE by_day AS
	SELECT day, moments_agg(y, variant) AS m
	FROM (SELECT day, v AS variant, i * 7 % 13 + CASE v WHEN 'fades' THEN 4.0 / (1 + day) WHEN 'stays' THEN 1 ELSE 0 END AS y
		FROM generate_series(0, 6) day, generate_series(1, 200) i, (VALUES ('control'), ('fades'), ('stays')) v (v)
		WHERE day < 6 OR i = 1) r
	GROUP BY day;
SELECT c.variant, (novelty(day, c.diff, c.std_error)).* FROM by_day, welch_t(m) c GROUP BY c.variant ORDER BY 1;
-- One day, no day, an effect without error.
SELECT (novelty(3, 1, 1)).* \gx
SELECT (novelty(day, 1, 1)).* FROM by_day WHERE false \gx
SELECT (novelty(day, 1, std_error)).* FROM (VALUES (0, 0), (1, 1), (2, 1)) d (day, std_error) \gx
-- A running window, and partial states.
SELECT day, (novelty(day, day * day, 1) OVER (ORDER BY day)).slope FROM generate_series(0, 3) day;
SELECT novelty_final(novelty_combine(novelty_accum(novelty_accum(NULL, 0, 3, 0.5), 1, 2, 1), novelty_accum(NULL, 3, 1, 1)))
	= (SELECT novelty(day, effect, std_error) FROM (VALUES (0, 3, 0.5), (1, 2, 1), (3, 1, 1)) d (day, effect, std_error)) AS same;
SELECT novelty(1, 'NaN', 1);
SELECT novelty(1, 1, 'Infinity');
SELECT novelty('-Infinity', 1, 1);
SELECT novelty(1, 1, -1);
SELECT novelty_accum('{1,2}', 1, 1, 1);
SELECT novelty_final('{1,2,3,4,5,6,7,8,9,NULL}');
SELECT novelty_final('{NaN,2,3,4,5,6,7,8,9,10}');
-- Out of a float8's range is NULL.
SELECT (novelty(day, 1, 1)).slope FROM (VALUES (-1e200), (1e200)) d (day);

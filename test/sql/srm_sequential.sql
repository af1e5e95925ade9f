-- The counts so far.  821588 against 815482 at 1:1 (Kohavi, Tang and Xu 2020).
SELECT log_bayes_factor::numeric(10, 6), p_value::numeric(12, 10), n, s.observed, expected
FROM srm_sequential(ARRAY[821588, 815482], ARRAY[1, 1]) s;
-- By hand: Dirichlet(1, 1), 3 against 1: B = 3! 1! / 5! * 2^4 = 0.8.
SELECT round(exp(log_bayes_factor)::numeric, 12) AS b, p_value FROM srm_sequential('{3,1}', '{1,1}'::float8[], concentration => 2);
-- B = 10! 0! / 11! * 2^10 = 93.09, p = 11 / 1024.
SELECT round(exp(log_bayes_factor)::numeric, 9) AS b, round(p_value::numeric, 12) AS p, round(11 / 1024.0, 12) AS by_hand
FROM srm_sequential('{10,0}', '{1,1}'::float8[], concentration => 2);

-- Looks: the new units of each day; the p-value is the smallest so far.
CREATE TEMP TABLE days (day int, control bigint, treatment bigint);
INSERT INTO days VALUES (1, 1000, 1010), (2, 900, 1150), (3, 800, 1200), (4, 1200, 800);
SELECT day, (s).n, (s).observed, (s).p_value::numeric(12, 10)
FROM (SELECT day, srm_sequential_agg(ARRAY[control, treatment], '{1,1}') OVER (ORDER BY day) AS s FROM days) d;
SELECT (srm_sequential_agg(ARRAY[control, treatment], '{1,1}', 100 ORDER BY day)).p_value::numeric(12, 10) FROM days;

-- Over units, beside srm, of the same state.
SELECT (srm_sequential(v, '{"a": 1, "b": 1}')).p_value::numeric(12, 10) AS sequential, (srm(v, '{"a": 1, "b": 1}')).p_value::numeric(12, 10) AS once
FROM (SELECT CASE WHEN i % 11 < 5 THEN 'a' ELSE 'b' END AS v FROM generate_series(1, 11000) i) u;

-- Nothing yet, one arm, no rows.
\pset null (null)
SELECT * FROM srm_sequential('{0,0}', '{1,1}'::float8[]);
SELECT * FROM srm_sequential('{10}', '{1}'::float8[]);
SELECT (srm_sequential(v, '{"a": 1}')).* FROM (SELECT NULL::text AS v WHERE false) u;
SELECT srm_sequential_agg(NULL::bigint[], '{1,1}'::float8[]);
-- Shares of very different size.
SELECT p_value FROM srm_sequential('{5,0}', '{1e300,1e-300}'::float8[]);
SELECT p_value FROM srm_sequential('{5,1}', '{1e300,1e-300}'::float8[]);

SELECT srm_sequential('{1,2}', '{1,1}'::float8[], 0);
SELECT srm_sequential('{1,2}', '{1,1}'::float8[], 'NaN');
SELECT srm_sequential('{1,2}', '{1,0}'::float8[]);
SELECT srm_sequential('{1,2}', '{1}'::float8[]);
SELECT srm_sequential_agg('{1,2}'::bigint[], NULL::float8[]);
SELECT srm_sequential_agg(ARRAY[control, treatment], ARRAY[1, day] ORDER BY day) FROM days;
SELECT srm_sequential_agg(CASE day WHEN 1 THEN '{1,2}' ELSE '{1,2,3}' END::bigint[], CASE day WHEN 1 THEN '{1,1}' ELSE '{1,1,1}' END::float8[] ORDER BY day) FROM days;

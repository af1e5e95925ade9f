-- Ratios, compound metrics, CUPED, strata, Bayes: examples that can be computed by hand.
-- Numbers in comments were computed apart from the extension: by hand, or by numpy
-- (least squares) and scipy from the formulas of docs/methods.md.
\pset null (null)
CREATE FUNCTION pg_temp.r(x float8, digits int DEFAULT 6) RETURNS text LANGUAGE sql
	RETURN CASE WHEN x IN ('Infinity', '-Infinity') THEN x::text ELSE round(x::numeric, digits)::text END;

-- delta_ratio.  Spend per visit: control 30/6 = 5, treatment 60/9 = 6.666667.
-- Unit variances (100 - 2*5*10 + 25*1)/2^2 = 6.25, (300 - 2*20/3*30 + 400/9*4)/3^2 = 8.641975;
-- squared errors 2.083333, 2.880658; std_error 2.228002, t 0.748054, df 3.899398, p 0.497016.
-- diff -4.582709 to 7.916043, lift 1/3, -1.106154 to 1.772821.
CREATE TEMP TABLE visitors (spend float8, visits float8, variant text);
INSERT INTO visitors VALUES (0, 1, 'control'), (20, 3, 'control'), (10, 2, 'control'),
	(30, 5, 'treatment'), (0, 1, 'treatment'), (30, 3, 'treatment');
SELECT variant, control, n, n_control, pg_temp.r(estimate) AS estimate, pg_temp.r(estimate_control) AS control,
	pg_temp.r(diff) AS diff, pg_temp.r(std_error) AS std_error, pg_temp.r(statistic) AS t, pg_temp.r(df) AS df,
	pg_temp.r(p_value) AS p, method
FROM (SELECT (delta_ratio(spend, visits, variant)).* FROM visitors) r;
SELECT pg_temp.r(diff_low) AS low, pg_temp.r(diff_high) AS high, pg_temp.r(lift) AS lift,
	pg_temp.r(lift_low) AS lift_low, pg_temp.r(lift_high) AS lift_high, alpha
FROM (SELECT (delta_ratio(spend, visits, variant, 'control')).* FROM visitors) r;
-- The function: the same; the ratio upside down (6/30 = 0.2, 9/60 = 0.15); against -5: t 2.992218, p 0.020787, low -3.118520.
CREATE TEMP TABLE states AS SELECT moments_agg(spend, visits, variant) AS m FROM visitors;
SELECT pg_temp.r(diff) AS diff, pg_temp.r(p_value) AS p FROM states, delta_ratio(m);
SELECT estimate, estimate_control FROM states, delta_ratio(m, num => 2, den => 1);
SELECT pg_temp.r(statistic) AS t, pg_temp.r(p_value) AS p, pg_temp.r(diff_low) AS low, diff_high AS high
FROM states, delta_ratio(m, alternative => 'greater', null_diff => -5);
-- A ratio to a constant 1 is the mean: Welch's test.
SELECT count(*) AS same
FROM (SELECT moments_agg(spend, 1, variant) AS m FROM visitors) s, delta_ratio(m) d, welch_t(m) w
WHERE (d.estimate, d.diff) = (w.estimate, w.diff) AND abs(d.std_error / w.std_error - 1) < 1e-14 AND abs(d.df / w.df - 1) < 1e-14
	AND abs(d.p_value / w.p_value - 1) < 1e-12 AND abs(d.lift_low / w.lift_low - 1) < 1e-12;

-- Four organisations of 1, 2, 3 and 6 users with 10, 8, 6 and 36 dollars, all users of an
-- organisation alike.  Both take the mean over users, 60/12 = 5.  With organisations as
-- units: u = (num - 5 den)/3 = (5, -2, -9, 6)/3, sum of squares 146/9, squared error
-- 146/9/3/4 = 1.351852.  With users: squared deviations from 5 are 25, 2*1, 3*9, 6*1 = 60,
-- squared error 60/11/12 = 0.454545.
CREATE TEMP TABLE organisations AS
	SELECT org, users, dollars, v AS variant, dollars + CASE v WHEN 't' THEN users ELSE 0 END AS revenue
	FROM (VALUES (1, 1, 10), (2, 2, 8), (3, 3, 6), (4, 6, 36)) o (org, users, dollars), unnest('{control,t}'::text[]) v;
SELECT n, pg_temp.r(estimate) AS estimate, pg_temp.r(estimate_control) AS control, pg_temp.r(diff) AS diff, pg_temp.r(std_error ^ 2 / 2) AS squared_error
FROM (SELECT (delta_ratio(revenue, users, variant)).* FROM organisations) r;
SELECT n, pg_temp.r(estimate) AS estimate, pg_temp.r(estimate_control) AS control, pg_temp.r(diff) AS diff, pg_temp.r(std_error ^ 2 / 2) AS squared_error
FROM (SELECT (welch_t(revenue::float8 / users, variant)).* FROM organisations, generate_series(1, users)) r;

-- Compound metrics.  Sam bought for 10, 20, 50 and refunded 10, 20; Mike bought for 20, 30
-- and refunded 20.  Net 50 and 30: squares add up to 3400.  Sums of squares per goal alone
-- give 80^2 + 50^2 - (30^2 + 20^2) = 7600.
CREATE TEMP TABLE purchases (person text, goal text, dollars float8);
INSERT INTO purchases VALUES ('Sam', 'purchase', 10), ('Sam', 'purchase', 20), ('Sam', 'purchase', 50),
	('Sam', 'refund', 10), ('Sam', 'refund', 20),
	('Mike', 'purchase', 20), ('Mike', 'purchase', 30), ('Mike', 'refund', 20);
CREATE TEMP TABLE goals AS
	SELECT moments_agg(bought, refunded, 'treatment') AS m
	FROM (SELECT sum(dollars) FILTER (WHERE goal = 'purchase') AS bought,
			sum(dollars) FILTER (WHERE goal = 'refund') AS refunded FROM purchases GROUP BY person) p;
SELECT weights, n, mean, variance, (n - 1) * variance + n * mean ^ 2 AS sum_of_squares
FROM goals, unnest(ARRAY['{1,-1}', '{1,1}', '{1,0}', '{0,1}']) weights,
	moments_summary(moments_project(m, weights::float8[]));
SELECT sum(((n - 1) * variance + n * mean ^ 2) * CASE metric WHEN 1 THEN 1 ELSE -1 END) AS without_the_co_moment
FROM goals, moments_summary(m);
-- Three goals: 2a - b + c is, per unit, 3, 4, 11: mean 6, variance (9 + 4 + 25)/2 = 19.
SELECT n, mean, variance
FROM (SELECT moments_agg(ARRAY[a, b, c], 'v') AS m FROM (VALUES (1, 2, 3), (2, 5, 5), (4, 4, 7)) t (a, b, c)) s,
	moments_summary(moments_project(m, '{2,-1,1}'));

-- moments_relabel.  A (1, 2) and B (3, 6) as one: mean 3, sum of squares 4 + 1 + 0 + 9 = 14.
CREATE TEMP TABLE three AS
	SELECT moments_agg(y, v) AS m
	FROM (VALUES (1, 'A'), (2, 'A'), (3, 'B'), (6, 'B'), (5, 'control'), (7, 'control')) t (y, v);
SELECT moments_relabel(m, '{"A": "treatment", "B": "treatment"}') FROM three;
SELECT variant, control, n, estimate, diff FROM three, welch_t(moments_relabel(m, '{"A": "treatment", "B": "treatment"}'));
-- Others keep their labels; labels that do not occur are ignored; two may be swapped.
SELECT variant, n, mean FROM three, moments_summary(moments_relabel(m, '{"A": "B", "B": "A", "C": "D"}'));
SELECT moments_relabel(m, '{}') = m AS same, moments_relabel(NULL, '{}') IS NULL AS no_state,
	moments_relabel(m, NULL) IS NULL AS no_labels
FROM three;

-- CUPED.  control y 2, 4, 9 with x 1, 2, 3; treatment y 5, 6, 10 with x 2, 3, 4.
-- Co-moments syy, sxy, sxx: 26, 7, 2 and 14, 5, 2.  theta = (7 + 5)/(2 + 2) = 3, mean x 2.5.
-- Adjusted means 5 - 3 (2 - 2.5) = 6.5 and 7 - 3 (3 - 2.5) = 5.5; variances
-- (26 - 42 + 18)/2 = 1 and (14 - 30 + 18)/2 = 1.  diff -1, std_error sqrt(2/3) = 0.816497,
-- df 4, p 0.287864; lift -1/6.5 = -0.153846, -0.476897 to 0.169205.  (Unadjusted: +2, p 0.485.)
CREATE TEMP TABLE users (y float8, x float8, variant text);
INSERT INTO users VALUES (2, 1, 'control'), (4, 2, 'control'), (9, 3, 'control'),
	(5, 2, 'treatment'), (6, 3, 'treatment'), (10, 4, 'treatment');
SELECT variant, control, n, n_control, pg_temp.r(estimate) AS estimate, pg_temp.r(estimate_control) AS control, pg_temp.r(diff) AS diff,
	pg_temp.r(std_error) AS std_error, pg_temp.r(statistic) AS t, pg_temp.r(df) AS df, pg_temp.r(p_value) AS p, method
FROM (SELECT (cuped_adjust(y, x, variant)).* FROM users) r;
SELECT pg_temp.r(diff_low) AS low, pg_temp.r(diff_high) AS high, pg_temp.r(lift) AS lift,
	pg_temp.r(lift_low) AS lift_low, pg_temp.r(lift_high) AS lift_high
FROM (SELECT moments_agg(y, x, variant) AS m FROM users) s, cuped_adjust(m);
SELECT variant, control, pg_temp.r(diff) AS diff FROM (SELECT (cuped_adjust(y, x, variant, 'treatment')).* FROM users) r;
-- Lin: theta 5/2 and 7/2; adjusted 5.75 and 6.75; squared errors 0.25 and 0.25, and for the
-- centre (2.5 - 3.5)^2 * 1.1/6 = 0.183333 on 5 df: std_error 0.826640, df 6.745586, p 0.267069;
-- lift -0.148148, -0.391166 to 0.094870.
SELECT pg_temp.r(estimate) AS estimate, pg_temp.r(estimate_control) AS control, pg_temp.r(diff) AS diff,
	pg_temp.r(std_error) AS std_error, pg_temp.r(df) AS df, pg_temp.r(p_value) AS p, pg_temp.r(lift) AS lift, pg_temp.r(lift_low) AS lift_low, pg_temp.r(lift_high) AS lift_high
FROM (SELECT moments_agg(y, x, variant) AS m FROM users) s, cuped_adjust(m, interacted => true);
-- The model over all six: theta 15/5.5 = 2.727273, correlation 15/sqrt(5.5 * 46) = 0.943042, its square 0.889328.
SELECT n, pg_temp.r(theta) AS theta, mean_y, mean_x, pg_temp.r(correlation) AS correlation,
	pg_temp.r(variance_reduction) AS variance_reduction
FROM (SELECT (cuped_adjust(y, x)).* FROM users) r;

-- A missing covariate.  Two more units per arm, least squares of y on the arms, x (0 if
-- missing) and the indicator: theta 2.608696, 5.521739; adjusted 5.817391 and 5.382609,
-- diff 0.434783, std_error 0.966842, df 7.573834, p 0.665521.
INSERT INTO users VALUES (3, NULL, 'control'), (5, NULL, 'control'), (8, NULL, 'treatment'), (4, NULL, 'treatment');
SELECT n, n_control, pg_temp.r(estimate) AS estimate, pg_temp.r(estimate_control) AS control, pg_temp.r(diff) AS diff,
	pg_temp.r(std_error) AS std_error, pg_temp.r(df) AS df, pg_temp.r(p_value) AS p, method
FROM (SELECT (cuped_adjust(y, x, variant)).* FROM users) r;
SELECT n, pg_temp.r(diff) AS diff, pg_temp.r(std_error) AS std_error, method
FROM (SELECT moments_agg(ARRAY[y, coalesce(x, 0), (x IS NULL)::int], variant) AS m FROM users) s, cuped_adjust(m);
-- Whatever stands for the missing value.
SELECT n, pg_temp.r(diff) AS diff, pg_temp.r(std_error) AS std_error, method
FROM (SELECT moments_agg(ARRAY[y, coalesce(x, 1000), (x IS NULL)::int], variant) AS m FROM users) s, cuped_adjust(m);
-- The model: theta and correlation of the six, mean_x theirs; mean_y 5.6 and reduction 0.694056 of all ten.
SELECT n, pg_temp.r(theta) AS theta, mean_y, mean_x, pg_temp.r(correlation) AS correlation,
	pg_temp.r(variance_reduction) AS variance_reduction
FROM (SELECT (cuped_adjust(y, x)).* FROM users) r;
-- With a third covariate, 1, 0, 1, 0, 1 and 1, 0, 0, 1, 0: diff 0.541667, std_error 0.551513, df 7.845328.
-- A constant, a copy and a sum of others change nothing, and are not counted.
SELECT i, pg_temp.r(diff) AS diff, pg_temp.r(std_error) AS std_error, pg_temp.r(df) AS df, method
FROM (SELECT moments_agg(ARRAY[y, coalesce(x, 0), (x IS NULL)::int, z, 7, z, coalesce(x, 0) + 2 * z], variant) AS m
	FROM (SELECT *, CASE WHEN (variant, y) IN (('control', 2), ('control', 9), ('control', 5),
		('treatment', 5), ('treatment', 8)) THEN 1 ELSE 0 END AS z FROM users) u) s,
	LATERAL (SELECT 1 AS i, c.* FROM cuped_adjust(m, covariates => '{2,3,4}') c UNION ALL SELECT 2, c.* FROM cuped_adjust(m) c) r
ORDER BY i;
-- Only constants, or missing ones: the unadjusted test.
SELECT diff, pg_temp.r(std_error) AS std_error, method FROM (SELECT (cuped_adjust(y, 1, variant)).* FROM users) r;
SELECT diff, pg_temp.r(std_error) AS std_error, method FROM (SELECT (cuped_adjust(y, NULL, variant)).* FROM users) r;
SELECT diff, pg_temp.r(std_error) AS std_error, method FROM (SELECT (welch_t(y, variant)).* FROM users) r;
SELECT * FROM (SELECT (cuped_adjust(y, 1)).* FROM users) r;
SELECT n, theta, mean_y, mean_x, correlation, variance_reduction FROM (SELECT (cuped_adjust(y, NULL)).* FROM users) r;

-- cuped_ratio.  Linearised and by least squares: theta 0.951923, adjusted ratios 2.5 and 2
-- (the ratios before are alike, 11/8), std_error 0.405686, df 5.944070, p 0.264283, lift
-- 0.25, -0.319065 to 0.819065.  Without the adjustment: std_error 0.809578, p 0.563556.
CREATE TEMP TABLE sessions AS
	SELECT moments_agg(ARRAY[num, den, num_pre, den_pre], variant) AS m
	FROM (VALUES (4, 2, 3, 1, 'control'), (2, 2, 1, 2, 'control'), (9, 3, 4, 2, 'control'), (5, 3, 4, 3, 'control'),
		(6, 3, 3, 2, 't'), (4, 1, 3, 1, 't'), (8, 2, 5, 2, 't'), (2, 2, 1, 3, 't')) t (num, den, num_pre, den_pre, variant);
SELECT n, pg_temp.r(estimate) AS estimate, pg_temp.r(estimate_control) AS control, pg_temp.r(diff) AS diff,
	pg_temp.r(std_error) AS std_error, pg_temp.r(df) AS df, pg_temp.r(p_value) AS p, pg_temp.r(lift_low) AS lift_low,
	pg_temp.r(lift_high) AS lift_high, method
FROM sessions, cuped_ratio(m);
SELECT pg_temp.r(std_error) AS std_error, pg_temp.r(p_value) AS p FROM sessions, delta_ratio(m);
-- Denominators of 1: CUPED of the means.
SELECT pg_temp.r(a.diff) AS diff, pg_temp.r(a.std_error) AS std_error, pg_temp.r(b.std_error) AS cuped_adjust
FROM (SELECT moments_agg(ARRAY[y, 1, x, 1], variant) AS m FROM users) s, cuped_ratio(m) a, cuped_adjust(m) b;

-- stratified_t.  Strata of 4 and 6 units, weights 0.4 and 0.6: 0.4 * 5 + 0.6 * 15 = 11 against
-- 0.4 * 2 + 0.6 * 12 = 8; squared errors 0.16 * 2/2 + 0.36 * 4/3 = 0.64 each, df
-- 0.64^2/(0.16^2/1 + 0.48^2/2) = 2.909091 each; std_error sqrt(1.28) = 1.131371, df 5.818182,
-- p 0.039080, diff 0.210529 to 5.789471, lift 0.375, -0.044192 to 0.794192.
CREATE TEMP TABLE strata (stratum int, y float8, variant text);
INSERT INTO strata VALUES (1, 1, 'control'), (1, 3, 'control'), (1, 4, 't'), (1, 6, 't'),
	(2, 10, 'control'), (2, 12, 'control'), (2, 14, 'control'), (2, 13, 't'), (2, 15, 't'), (2, 17, 't');
SELECT variant, control, n, n_control, estimate, estimate_control AS control, diff, pg_temp.r(std_error) AS std_error,
	pg_temp.r(df) AS df, pg_temp.r(p_value) AS p, pg_temp.r(diff_low) AS low, pg_temp.r(diff_high) AS high,
	pg_temp.r(lift) AS lift, pg_temp.r(lift_low) AS lift_low, pg_temp.r(lift_high) AS lift_high, method
FROM (SELECT (stratified_t(m)).* FROM (SELECT moments_agg(y, variant) AS m FROM strata GROUP BY stratum) s) r \gx
-- A single unit in an arm, or an arm missing: the stratum is left out, 3 + 2 units.  A NULL state is skipped.
INSERT INTO strata VALUES (3, 100, 'control'), (3, 200, 'control'), (3, 0, 't'), (4, 7, 't'), (4, 9, 't'), (5, NULL, 't');
SELECT variant, control, n, n_control, diff, pg_temp.r(p_value) AS p, method
FROM (SELECT (stratified_t(m, 't')).* FROM (SELECT moments_agg(y, variant) AS m FROM strata GROUP BY stratum) s) r;
-- One stratum is Welch's test.
SELECT count(*) AS same
FROM (SELECT stratified_t(m) AS a, (SELECT w FROM welch_t(min(m::text)::moments) w) AS b
	FROM (SELECT moments_agg(y, variant) AS m FROM strata WHERE stratum = 2) s) r
WHERE ((a).n, (a).diff) = ((b).n, (b).diff) AND abs((a).p_value / (b).p_value - 1) < 1e-12;

-- bayes_normal.  diff 2 with squared error 1.25, prior sd 1: share 1/(1 + 1.25) = 4/9, so
-- mean 0.888889, sd sqrt(5)/3 = 0.745356, -0.571982 to 2.349760, chance 0.883481, losses
-- 0.042458, 0.931346 (by quadrature, too).  Lift 0.2 with squared error
-- (1 + 1.44 * 0.25)/100 = 0.0136: flat: sd 0.116619, chance 0.956826, losses 0.002056, 0.202056;
-- prior sd 0.1: 0.084746, 0.075913, 0.867866, 0.005043, 0.089789; prior mean 0.05, too:
-- 0.113559, 0.075913, 0.932663, 0.002246, 0.115805.
CREATE TEMP TABLE arms AS
	SELECT '{"version": 1, "metrics": 1, "variants": {"control": {"n": 101, "mean": [10], "comoments": [2525]},
		"treatment": {"n": 101, "mean": [12], "comoments": [10100]}}}'::moments AS m;
SELECT variant, control, n, n_control, estimate, estimate_control AS control, alpha, method FROM arms, bayes_normal(m);
SELECT i, pg_temp.r(posterior_mean) AS mean, pg_temp.r(posterior_sd) AS sd, pg_temp.r(posterior_low) AS low,
	pg_temp.r(posterior_high) AS high, pg_temp.r(chance_to_win) AS chance, pg_temp.r(loss_ship) AS loss_ship,
	pg_temp.r(loss_keep) AS loss_keep
FROM (SELECT 1 AS i, b.* FROM arms, bayes_normal(m, prior_sd => 1, scale => 'diff') b
	UNION ALL SELECT 2, b.* FROM arms, bayes_normal(m) b
	UNION ALL SELECT 3, b.* FROM arms, bayes_normal(m, 0, 0.1) b
	UNION ALL SELECT 4, b.* FROM arms, bayes_normal(m, 0.05, 0.1) b) r ORDER BY i;
-- The difference of the two losses is the posterior mean; both arms swapped, the chance is the other's.
SELECT pg_temp.r(loss_keep - loss_ship - posterior_mean) AS zero, pg_temp.r(chance_to_win) AS chance
FROM arms, bayes_normal(m, prior_sd => 1, scale => 'diff', control => 'treatment');

-- Options are the same everywhere.
SELECT count(*) AS rows, count(DISTINCT lift_low) AS limits, min(diff_high) AS high, bool_and(abs(statistic * std_error - diff - 1) < 1e-9) AS null_diff
FROM sessions, unnest(ARRAY['delta', 'log', 'fieller']) l, LATERAL (
	SELECT * FROM delta_ratio(m, lift_method => l, alternative => 'greater', null_diff => -1, alpha => 0.1)
	UNION ALL SELECT * FROM cuped_adjust(m, covariates => '{3}', lift_method => l, alternative => 'greater', null_diff => -1, alpha => 0.1)
	UNION ALL SELECT * FROM cuped_adjust(m, covariates => '{3}', interacted => true, lift_method => l, alternative => 'greater', null_diff => -1, alpha => 0.1)
	UNION ALL SELECT * FROM cuped_ratio(m, lift_method => l, alternative => 'greater', null_diff => -1, alpha => 0.1)) c;

-- Thin segments: the row is there, what is undefined is NULL.  In case 4 theta is 10, the
-- control's, and the mean of x 2.75: 30 - 10 (5 - 2.75) = 7.5, 10 - 10 (2 - 2.75) = 17.5.
CREATE FUNCTION pg_temp.row(c comparison) RETURNS text LANGUAGE sql
	RETURN format('%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s', (c).variant, (c).control, (c).n, (c).n_control, pg_temp.r((c).estimate),
		pg_temp.r((c).estimate_control), pg_temp.r((c).diff), pg_temp.r((c).std_error), (c).p_value, pg_temp.r((c).lift), (c).method);
SELECT 1 AS case, pg_temp.row(delta_ratio(spend, visits, variant)), pg_temp.row(cuped_adjust(spend, visits, variant)) FROM visitors WHERE false
UNION ALL SELECT 2, pg_temp.row(delta_ratio(spend, visits, variant)), pg_temp.row(cuped_adjust(spend, visits, variant)) FROM visitors WHERE variant = 'control'
UNION ALL SELECT 3, pg_temp.row(delta_ratio(spend, visits, variant, 'nobody')), pg_temp.row(cuped_adjust(spend, visits, variant, 'nobody')) FROM visitors
UNION ALL SELECT 4, pg_temp.row(delta_ratio(spend, visits, variant)), pg_temp.row(cuped_adjust(spend, visits, variant)) FROM visitors WHERE variant = 'control' OR visits = 5
UNION ALL SELECT 5, pg_temp.row(delta_ratio(spend, 0, variant)), pg_temp.row(cuped_adjust(0, visits, variant)) FROM visitors
UNION ALL SELECT 6, pg_temp.row(delta_ratio(0, visits, variant)), pg_temp.row(cuped_adjust(visits, visits, variant)) FROM visitors
ORDER BY 1;
SELECT pg_temp.row(stratified_t(m)) FROM states WHERE false
UNION ALL SELECT pg_temp.row(stratified_t(NULL::moments))
UNION ALL SELECT pg_temp.row(stratified_t(moments_filter(m, '{treatment}'), 'control')) FROM states
UNION ALL SELECT pg_temp.row(stratified_t('{"version": 1, "metrics": 1, "variants": {}}'::moments));
SELECT * FROM (SELECT (cuped_adjust(y, x)).* FROM users WHERE false) r;
SELECT * FROM (SELECT (cuped_adjust(y, x)).* FROM users WHERE (variant, x) = ('control', 1)) r;
SELECT pg_temp.row(c) FROM sessions, cuped_ratio(m, 'nobody') c;
-- A ratio before of 0/0: nothing to adjust by.
SELECT pg_temp.r(c.std_error) AS cuped_ratio, pg_temp.r(d.std_error) AS delta_ratio, c.method
FROM (SELECT moments_agg(ARRAY[spend, visits, 0, 0], variant) AS m FROM visitors) s, cuped_ratio(m) c, delta_ratio(m) d;
SELECT variant, control, n, n_control, estimate, posterior_mean, posterior_sd, chance_to_win, loss_ship, alpha, method
FROM states, bayes_normal(m, control => 'nobody')
UNION ALL SELECT variant, control, n, n_control, estimate, posterior_mean, posterior_sd, chance_to_win, loss_ship, alpha, method
FROM states, bayes_normal(moments_filter(m, '{control}'))
UNION ALL SELECT variant, control, n, n_control, estimate, posterior_mean, posterior_sd, chance_to_win, loss_ship, alpha, method
FROM (SELECT moments_agg(0, variant) AS m FROM visitors) s, bayes_normal(m, scale => 'diff');
SELECT (SELECT count(*) FROM delta_ratio(NULL::moments)) + (SELECT count(*) FROM cuped_adjust(NULL::moments))
	+ (SELECT count(*) FROM cuped_ratio(NULL)) + (SELECT count(*) FROM bayes_normal(NULL)) AS rows;

-- NULL: no metric or no variant, no row.
SELECT (delta_ratio(y, x, variant)).n, (cuped_adjust(y, x, variant)).n AS cuped,
	(cuped_adjust(nullif(y, 10), x, variant)).n AS known_y, (cuped_adjust(y, x, nullif(variant, 'control'))).n_control
FROM users;

-- Errors.
SELECT delta_ratio(y, x, v) FROM (VALUES (1, 1, 'a'), (1, 1, 'b'), (1, 1, 'c')) t (y, x, v);
SELECT cuped_adjust(y, x, v) FROM (VALUES (1, 1, 'a'), (1, 1, 'b'), (1, 1, 'c')) t (y, x, v);
SELECT stratified_t(m) FROM three;
SELECT delta_ratio(y, 'NaN', variant) FROM users;
SELECT delta_ratio('-Infinity', y, variant, 'control') FROM users;
-- An aggregate of one's own may name some of its arguments only.
CREATE AGGREGATE half_named(total float8, float8, text) (SFUNC = moments_accum, STYPE = moments);
SELECT half_named('NaN', x, variant) FROM users;
SELECT half_named(y, 'NaN', variant) FROM users;
DROP AGGREGATE half_named(float8, float8, text);
SELECT moments_agg(y, 'NaN', variant) FROM users;
SELECT delta_ratio(y, 'NaN', variant) OVER () FROM users;
SELECT cuped_adjust(y, 'Infinity', variant) FROM users;
SELECT cuped_adjust('NaN', x) FROM users;
SELECT cuped_adjust(y, x, variant, variant) FROM users;
SELECT c.* FROM three, delta_ratio(m) c;
SELECT c.* FROM states, delta_ratio(m, den => NULL) c;
SELECT c.* FROM states, cuped_adjust(m, covariates => '{1}') c;
SELECT c.* FROM states, cuped_adjust(m, covariates => '{3}') c;
SELECT c.variant, c.std_error, c.method FROM states, cuped_adjust(m, covariates => '{}') c; -- none: Welch
SELECT c.* FROM states, cuped_adjust(m, covariates => '{2,NULL}') c;
SELECT c.* FROM states, cuped_adjust(m, interacted => NULL) c;
SELECT c.* FROM states, cuped_adjust(m, alternative => 'bigger') c;
SELECT c.* FROM states, cuped_ratio(m) c;
SELECT stratified_t(m) FROM (SELECT m FROM states UNION ALL SELECT m FROM arms) s;
SELECT stratified_t(m, c) FROM states, unnest('{control,treatment}'::text[]) c;
SELECT moments_relabel(m, '["A"]') FROM three;
SELECT moments_relabel(m, '{"A": 1}') FROM three;
SELECT moments_relabel(m, jsonb_build_object('A', repeat('x', 256))) FROM three;
SELECT b.* FROM arms, bayes_normal(m, prior_sd => 0) b;
SELECT b.* FROM arms, bayes_normal(m, prior_sd => 'NaN') b;
SELECT b.* FROM arms, bayes_normal(m, prior_mean => 'Infinity') b;
SELECT b.* FROM arms, bayes_normal(m, scale => 'ratio') b;
SELECT b.* FROM arms, bayes_normal(m, metric => 2) b;

-- The tables of script/calibrate, in Markdown.

\pset format unaligned
\pset tuples_only on

-- Flagged is what is more than three standard errors from nominal, the standard error being
-- that of a figure whose true value is nominal.
CREATE TEMPORARY VIEW cell AS
SELECT *,
	format('%s ± %s%s',
		to_char(100 * share, 'FM990.00'),
		to_char(100 * sqrt(share * (1 - share) / experiments), 'FM990.00'),
		CASE WHEN share > nominal + 3 * error THEN ' **high**'
			WHEN share < nominal - 3 * error THEN ' **low**' ELSE '' END) AS figure,
	abs(share - nominal) > 3 * error AS flagged
FROM (
	SELECT metric, n_control, n_treatment, estimator, question,
		CASE question WHEN 'false positives' THEN 0.05 ELSE 0.95 END AS nominal,
		sum(experiments) AS experiments,
		sum(hits) / sum(experiments) AS share,
		sqrt(0.05 * 0.95 / sum(experiments)) AS error,
		sum(truth_below) AS truth_below,
		sum(truth_above) AS truth_above,
		sum(undefined) AS undefined,
		sum(left_out) AS left_out
	FROM outcome
	GROUP BY metric, n_control, n_treatment, estimator, question
) AS sums;

-- The expectation of diff is 0, so mean std_error² / mean diff² should be 1.  It is a ratio of
-- two means, and has the error that the delta method gives it.
CREATE TEMPORARY VIEW ratio AS
SELECT metric, n_control, n_treatment, estimator,
	format('%s ± %s%s', to_char(r, 'FM990.000'), to_char(error, 'FM990.000'),
		CASE WHEN r > 1 + 3 * error THEN ' **high**' WHEN r < 1 - 3 * error THEN ' **low**' ELSE '' END
	) AS figure,
	abs(r - 1) > 3 * error AS flagged
FROM (
	SELECT *, sqrt((s[1][1] - 2 * r * s[1][2] + r * r * s[2][2]) / n) / mean AS error
	FROM (
		SELECT merged.metric, n_control, n_treatment, estimator, a.n, b.mean, a.mean / b.mean AS r,
			moments_covariance(m, 'A/A') AS s
		FROM (
			SELECT metric, n_control, n_treatment, estimator, moments_agg(m) AS m
			FROM spread
			GROUP BY metric, n_control, n_treatment, estimator
		) AS merged, moments_summary(m) AS a, moments_summary(m) AS b
		WHERE a.metric = 1 AND b.metric = 2
	) AS r
) AS e;

CREATE TEMPORARY VIEW line AS
SELECT question, array_position('{normal,log-normal,zero-inflated,success,page loads}', metric) AS section,
	array_position('{welch_t,"welch_t, log","welch_t, fieller",proportion_z,"proportion_z, log",'
		'"proportion_z, fieller",delta_ratio,cuped_adjust,"cuped_adjust, interacted",cuped_ratio,'
		'stratified_t,bayes_normal,trimmed_t,mann_whitney,"quantile_compare, 0.5","quantile_compare, 0.9",'
		'"quantile_compare, 0.5, clustered","quantile_compare, 0.9, clustered"}', estimator) AS row,
	format('| %s | %s | %s | %s | %s | %s |', metric, estimator,
		max(figure) FILTER (WHERE (n_control, n_treatment) = (50, 50)),
		max(figure) FILTER (WHERE (n_control, n_treatment) = (500, 500)),
		max(figure) FILTER (WHERE (n_control, n_treatment) = (5000, 5000)),
		max(figure) FILTER (WHERE (n_control, n_treatment) = (450, 50))) AS line
FROM (
	SELECT question, metric, n_control, n_treatment, estimator, figure FROM cell
	UNION ALL
	SELECT 'error', metric, n_control, n_treatment, estimator, figure FROM ratio
) AS figures
GROUP BY question, metric, estimator;

\set header '| metric | estimator | 50 + 50 | 500 + 500 | 5000 + 5000 | 450 + 50 |\n|---|---|---|---|---|---|'

\echo
\echo 'False positives of the 5 % test, in % of the A/A experiments'
\echo
\echo :header
SELECT line FROM line WHERE question = 'false positives' ORDER BY section, row;

\echo
\echo 'Coverage of the 95 % interval of diff, in % of the A/B experiments'
\echo
\echo :header
SELECT line FROM line WHERE question = 'diff' ORDER BY section, row;

\echo
\echo 'Coverage of the 95 % interval of lift, in % of the A/B experiments'
\echo
\echo :header
SELECT line FROM line WHERE question = 'lift' ORDER BY section, row;

\echo
\echo 'Mean of std_error², divided by the mean of diff², in the A/A experiments'
\echo
\echo :header
SELECT line FROM line WHERE question = 'error' ORDER BY section, row;

\echo
SELECT format('%s of %s figures are flagged: more than 3 standard errors from what they should be.',
	count(*) FILTER (WHERE flagged), count(*))
FROM (SELECT flagged FROM cell UNION ALL SELECT flagged FROM ratio) AS figures;

\echo
\echo 'Where the coverage of an interval is flagged, in % of the experiments: the truth was'
\echo
\echo '| metric | units | estimator | interval | below it | above it |\n|---|---|---|---|---|---|'
SELECT format('| %s | %s + %s | %s | %s | %s | %s |', metric, n_control, n_treatment, estimator, question,
	to_char(100 * truth_below / experiments, 'FM990.00'), to_char(100 * truth_above / experiments, 'FM990.00'))
FROM cell
WHERE flagged AND question <> 'false positives'
ORDER BY array_position('{normal,log-normal,zero-inflated,success,page loads}', metric), n_control + n_treatment, n_treatment,
	estimator, question;

\echo
\echo 'Experiments without a p-value or an interval (none of them rejects or covers), or in which'
\echo 'stratified_t left a stratum out:'
\echo
\echo '| metric | units | estimator | question | undefined | stratum left out |\n|---|---|---|---|---|---|'
SELECT format('| %s | %s + %s | %s | %s | %s | %s |', metric, n_control, n_treatment, estimator, question,
	undefined, left_out)
FROM cell
WHERE undefined > 0 OR left_out > 0 AND question = 'diff'
ORDER BY array_position('{normal,log-normal,zero-inflated,success,page loads}', metric), n_control + n_treatment, n_treatment,
	estimator, question;

-- ---- watched experiments ----

\echo
\echo 'Looked at 50 times: A/A experiments rejected at any look, A/B experiments rejected, and the'
\echo 'units until then, or 2000'
\echo
\echo '| metric | how it is watched | false positives, % | found, % | units |\n|---|---|---|---|---|'
SELECT format('| %s | %s | %s ± %s%s | %s ± %s | %s ± %s |', sums.metric, method,
	to_char(100 * a, 'FM990.00'), to_char(100 * sqrt(a * (1 - a) / sums.n), 'FM990.00'),
	CASE WHEN a > 0.05 + 3 * sqrt(0.05 * 0.95 / sums.n) THEN ' **high**' ELSE '' END,
	to_char(100 * b, 'FM990.0'), to_char(100 * sqrt(b * (1 - b) / sums.n), 'FM990.0'),
	to_char(s.mean, 'FM9990'), to_char(sqrt(s.variance / sums.n), 'FM990.0'))
FROM (
	SELECT metric, method, sum(experiments)::float8 AS n, sum(false_positives) / sum(experiments)::float8 AS a,
		sum(found) / sum(experiments)::float8 AS b, moments_agg(units) AS m
	FROM peeking
	GROUP BY metric, method
) AS sums, moments_summary(m) AS s
ORDER BY sums.metric DESC, array_position(ARRAY['welch_t once, at the end', 'welch_t at every look'], method), method;

-- ---- everything else ----

CREATE TEMPORARY VIEW other AS
SELECT *, CASE WHEN promised <> '<=' AND z < -3 THEN ' **low**' WHEN promised <> '>=' AND z > 3 THEN ' **high**' ELSE '' END AS flag
FROM (
	SELECT *, (share - nominal) / sqrt(nominal * (1 - nominal) / n) AS z
	FROM (
		SELECT call, setting, figure, promised, sum(experiments) AS n, sum(hits) / sum(experiments) AS share,
			sum(nominal * experiments) / sum(experiments) AS nominal
		FROM rate
		GROUP BY call, setting, figure, promised
	) AS sums
) AS errors;

\echo
\echo 'All other tests, in % of the experiments'
\echo
\echo '| call | what is tried | what is counted | should be | is |\n|---|---|---|---|---|'
SELECT format('| %s | %s | %s | %s%s | %s ± %s%s |', call, setting, figure,
	CASE promised WHEN '<=' THEN '≤ ' WHEN '>=' THEN '≥ ' END, to_char(100 * nominal, 'FM990.00'),
	to_char(100 * share, 'FM990.00'), to_char(100 * sqrt(share * (1 - share) / n), 'FM990.00'), flag)
FROM other
ORDER BY call COLLATE "C", setting COLLATE "C", figure COLLATE "C";

\echo
SELECT format('%s of %s figures are flagged.', count(*) FILTER (WHERE flag <> ''), count(nominal)) FROM other;

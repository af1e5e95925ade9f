-- The metrics of an experiment together: ship, do not ship, or keep running.

CREATE FUNCTION decide(
	results metric_result[],
	alpha float8 DEFAULT 0.05,
	correction text DEFAULT 'weighted',
	primary_share float8 DEFAULT 0.8,
	srm_p_value float8 DEFAULT NULL,
	srm_alpha float8 DEFAULT 0.001,
	max_lift float8 DEFAULT 0.3,
	min_n bigint DEFAULT 100,
	planned_n bigint DEFAULT NULL
) RETURNS SETOF decision
LANGUAGE SQL IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
WITH given AS (
	-- metric_result() checks also a row that was not made by it
	SELECT checked.position, (checked.row).metric, (checked.row).role, (checked.row).margin,
		   (checked.row).relative, (checked.row).weight, (checked.row).better,
		   ((checked.row).result).*
	FROM (SELECT r.position,
				 metric_result(r.metric, r.role, r.result, coalesce(r.better, 'higher'), r.margin,
							   coalesce(r.relative, false), coalesce(r.weight, 1)) AS row
		  FROM unnest(results) WITH ORDINALITY
			   AS r (metric, role, result, better, margin, relative, weight, position)
		  OFFSET 0) AS checked
	WHERE decide_check((SELECT count(*) FROM unnest(results) AS r WHERE r.role = 'primary'),
					   decide.alpha, correction, primary_share, srm_alpha, max_lift, min_n, srm_p_value)
),
-- Each role's share of alpha; a role that does not occur leaves its share to the other.
shares AS (
	SELECT g.*,
		   g.weight / sum(g.weight) OVER (PARTITION BY g.role)
		   * CASE WHEN count(*) FILTER (WHERE g.role = 'secondary') OVER () = 0 THEN 1
				  WHEN g.role = 'primary' THEN primary_share
				  ELSE 1 - primary_share END AS share
	FROM given AS g
),
adjusted AS (
	SELECT s.*,
		   CASE WHEN s.role = 'guardrail' OR correction = 'none' THEN s.p_value
				WHEN s.p_value IS NULL THEN NULL
				WHEN correction = 'weighted'
				THEN least(1, s.p_value / nullif(s.share, 0))
				ELSE p_adjust(CASE WHEN s.role <> 'guardrail' THEN s.p_value END,
							  CASE WHEN correction IN ('weighted', 'none') THEN 'bonferroni'
								   ELSE correction END) OVER () END AS p_adjusted
	FROM shares AS s
),
-- In the direction that is better: the change, and the ends of its interval.
changes AS (
	SELECT a.*,
		   CASE a.better WHEN 'lower' THEN -1 ELSE 1 END * a.diff AS gain,
		   CASE WHEN a.better = 'lower' THEN -CASE WHEN a.relative THEN a.lift_high ELSE a.diff_high END
				ELSE CASE WHEN a.relative THEN a.lift_low ELSE a.diff_low END END AS gain_low,
		   CASE WHEN a.better = 'lower' THEN -CASE WHEN a.relative THEN a.lift_low ELSE a.diff_low END
				ELSE CASE WHEN a.relative THEN a.lift_high ELSE a.diff_high END END AS gain_high
	FROM adjusted AS a
),
-- alpha is the argument: a comparison has one of its own.
judged AS (
	SELECT c.*,
		   CASE WHEN c.role = 'guardrail'
				THEN CASE WHEN c.gain_low > -c.margin THEN 'safe'
						  WHEN c.gain_high < -c.margin THEN 'harmed'
						  ELSE 'open' END
				WHEN c.p_adjusted < decide.alpha AND c.gain > 0 THEN 'better'
				WHEN c.p_adjusted < decide.alpha AND c.gain < 0 THEN 'worse'
				ELSE 'open' END AS status,
		   least(c.n, c.n_control) AS smaller_arm,
		   coalesce(CASE WHEN abs(c.lift) < 1e6 THEN to_char(100 * c.lift, 'FMSG999999990.00') || ' %' END,
					'difference ' || decide_number(c.diff), 'no estimate') AS change,
		   CASE WHEN c.p_adjusted IS NULL THEN 'no p-value'
				WHEN c.p_adjusted < 0.0001 THEN 'adjusted p < 0.0001'
				ELSE 'adjusted p = ' || round(c.p_adjusted::numeric, 4) END AS evidence
	FROM changes AS c
),
worded AS (
	SELECT j.*,
		   CASE j.role || ' ' || j.status
				WHEN 'guardrail safe' THEN format('guardrail %s holds: %s, not worse by %s or more',
												  j.metric, j.change, j.margin_text)
				WHEN 'guardrail harmed' THEN format('guardrail %s is broken: %s, worse by more than %s',
													j.metric, j.change, j.margin_text)
				WHEN 'guardrail open' THEN format('guardrail %s is open: %s, and it may be worse by %s',
												  j.metric, j.change, j.margin_text)
				ELSE format('%s %s %s: %s, %s', j.role, j.metric,
							CASE j.status WHEN 'better' THEN 'got better' WHEN 'worse' THEN 'got worse'
										  ELSE 'shows no effect yet' END,
							j.change, j.evidence) END AS sentence
	FROM (SELECT j.*, CASE WHEN j.relative THEN to_char(100 * j.margin, 'FM999999990.00') || ' %'
						   ELSE decide_number(j.margin) END AS margin_text
		  FROM judged AS j) AS j
),
variants AS (
	SELECT w.variant,
		   coalesce(srm_p_value < srm_alpha, false) AS srm_failed,
		   bool_or(w.smaller_arm < min_n) FILTER (WHERE w.role <> 'secondary') AS few,
		   min(w.smaller_arm) FILTER (WHERE w.role <> 'secondary') AS smallest_arm,
		   bool_or(w.status IN ('harmed', 'worse') AND w.role <> 'secondary') AS harmed,
		   bool_or(w.status = 'better' AND w.role = 'primary') AS won,
		   coalesce(bool_or(w.status = 'open' AND w.role = 'guardrail'), false) AS unsafe,
		   coalesce(bool_or(abs(w.lift) > max_lift), false) AS odd,
		   string_agg(w.metric, ', ' ORDER BY w.position) FILTER (WHERE abs(w.lift) > max_lift) AS odd_metrics,
		   planned_n IS NOT NULL AND min(w.smaller_arm) FILTER (WHERE w.role = 'primary') < planned_n AS early,
		   bool_or(w.role = 'primary' AND (w.method ~ '^(confidence_sequence|msprt|group_sequential)') IS NOT TRUE) AS fixed,
		   string_agg(w.sentence, E'\n' ORDER BY w.role = 'guardrail', w.role = 'secondary', w.position) AS sentences
	FROM worded AS w
	GROUP BY w.variant
),
decided AS (
	SELECT v.*,
		   CASE WHEN v.srm_failed THEN 'do not ship'
				WHEN v.few THEN 'keep running'
				WHEN v.harmed THEN 'do not ship'
				WHEN v.early AND v.fixed THEN 'keep running'
				WHEN v.won AND NOT v.unsafe AND NOT v.odd THEN 'ship'
				WHEN v.won AND NOT v.unsafe THEN 'keep running'
				WHEN planned_n IS NOT NULL AND NOT v.early THEN 'do not ship'
				ELSE 'keep running' END AS decision
	FROM variants AS v
)
SELECT d.variant, d.decision,
	   concat_ws(E'\n',
		   CASE WHEN d.srm_failed THEN
				format('do not trust the numbers: the split is not the planned one (SRM p = %s)',
					   decide_number(srm_p_value)) END,
		   CASE WHEN d.few THEN
				format('too few units: %s in the smaller arm, fewer than %s', d.smallest_arm, min_n) END,
		   CASE WHEN d.odd THEN
				format('too good (or bad) to be true: a change of more than %s %% in %s; look for a bug first',
					   round((100 * max_lift)::numeric, 1), d.odd_metrics) END,
		   CASE WHEN d.early AND d.fixed THEN
				format('not yet at the planned %s units per arm: a p-value for one look must not be read before',
					   planned_n) END,
		   CASE WHEN d.decision = 'do not ship' AND NOT d.srm_failed AND NOT d.harmed THEN
				format('the planned %s units per arm are there, and %s', planned_n,
					   CASE WHEN d.won THEN 'a guardrail is still open' ELSE 'no primary metric got better' END) END,
		   d.sentences)
FROM decided AS d
ORDER BY d.variant COLLATE "C";
END;
COMMENT ON FUNCTION decide(metric_result[], float8, text, float8, float8, float8, float8, bigint, bigint) IS
'ship, do not ship or keep running, for each treatment, from the results of its metrics and their roles';

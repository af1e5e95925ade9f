-- Reports: how the numbers were made, and how to read them.

CREATE FUNCTION report_test(method text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE split_part(method, ',', 1)
		WHEN 'welch_t' THEN 'Welch''s t-test of two means'
		WHEN 'proportion_z' THEN 'z-test of two proportions; Newcombe''s interval'
		WHEN 'delta_ratio' THEN 'ratio of sums, by the delta method'
		WHEN 'cuped_adjust' THEN 'means adjusted for what was known before (CUPED)'
		WHEN 'cuped_ratio' THEN 'ratio of sums adjusted for what was known before (CUPED)'
		WHEN 'confidence_sequence' THEN 'asymptotic confidence sequence: may be read on any day'
		WHEN 'quantile_compare' THEN 'difference of quantiles'
		END;
END;
COMMENT ON FUNCTION report_test(text) IS 'what the method of a comparison is called; NULL if there is no more to say than its name';

CREATE FUNCTION report_tests(lines report_line[]) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT string_agg(concat(t.metrics, ': ', report_test(t.method), ' <small>(' || report_escape(t.method) || ')</small>'), '<br/>' ORDER BY t.place)
	FROM (SELECT l.method, min(l.place) AS place, string_agg(DISTINCT report_label(l.heading), ', ') AS metrics
		  FROM unnest(lines) AS l GROUP BY l.method) AS t;
END;
COMMENT ON FUNCTION report_tests(report_line[]) IS 'which test each metric has';

CREATE FUNCTION report_metric_notes(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT string_agg(report_term(report_label(k.metric), concat_ws('; ',
			report_escape(k.description),
			k.kind || CASE WHEN k.kind = 'quantile' THEN ' ' || trim_scale(k.quantile::numeric) ELSE '' END
				   || coalesce(' of ' || (SELECT string_agg(report_label(c), ', ' ORDER BY place) FROM unnest(k.components) WITH ORDINALITY AS u (c, place)), ''),
			'events within ' || k.metric_window || ' of the first exposure',
			CASE WHEN k.covariate_column IS NOT NULL OR k.covariate_window IS NOT NULL THEN
				'adjusted for ' || concat_ws(' ', coalesce(report_escape(k.covariate_column), 'the metric itself'), 'in the ' || k.covariate_window || ' before exposure') END,
			'winsorised' || nullif(concat(' below the ' || report_number(100 * k.winsor_low) || ' % point', ' above the ' || report_number(100 * k.winsor_high) || ' % point'), ''),
			CASE WHEN em.role = 'guardrail' AND k.margin IS NOT NULL THEN
				'may get worse by ' || CASE WHEN k.relative THEN ltrim(report_figures(report_percent(k.margin, report_decimals(k.margin))), '+') ELSE report_number(k.margin) END END,
			CASE k.better WHEN 'lower' THEN 'lower is better' END)), '' ORDER BY em.role <> 'primary', em.role = 'guardrail', em.place)
	FROM experiment_metrics AS em JOIN metrics AS k ON k.metric = em.metric
	WHERE em.experiment = report_metric_notes.experiment;
END;
COMMENT ON FUNCTION report_metric_notes(text) IS 'how each metric is defined';

CREATE FUNCTION report_methods(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT report_section('methods', 'How it was computed', concat(E'<dl class="notes">\n',
		report_term('Tests', report_tests(l.lines)),
		report_term('Read', CASE e.method
			WHEN 'sequential' THEN 'At any time: p-values and intervals hold however often they are looked at.'
			ELSE 'Once, ' || coalesce('at ' || report_count(e.planned_n, 'unit') || ' per variant', 'when the experiment ends')
				 || '. Looked at every day until it is significant, such a p-value finds effects that are not there.' END),
		report_term('Level', format('alpha %s: %s intervals', trim_scale(e.alpha::numeric), report_figures(report_level(e.alpha)))),
		report_term('Many metrics', CASE e.correction
			WHEN 'none' THEN 'p-values are not adjusted for the number of metrics and variants.'
			ELSE format('p-values of primary and secondary metrics of all variants are adjusted together (%s). ', e.correction) END
			|| 'Guardrails must all hold and need no adjustment. Intervals are of each comparison alone.'),
		report_term('Control', (SELECT report_label(v.variant) FROM variants AS v WHERE v.experiment = e.experiment AND v.is_control)),
		report_term('Dates', concat_ws('; ', report_dates(e.starts, e.ends, e.time_zone), 'days and times in ' || report_escape(e.time_zone))),
		report_term('Data', format('up to %s; analysed %s', report_time(a.as_of, e.time_zone), report_time(a.analyzed_at, e.time_zone))),
		report_term('Units', concat_ws('; ', report_escape(e.unit), 'exposures from ' || report_escape(e.exposures),
			'a unit seen in several variants is ' || CASE e.crossovers WHEN 'drop' THEN 'left out' ELSE 'counted in the first' END,
			'an exposed unit without events counts as 0')),
		report_term('Lift', 'The difference in percent of the control''s value; its interval by the delta method.'),
		report_term('Interval', format('Made so that %s of such intervals hold the true effect. Values in it are compatible with the data.',
									   report_figures(report_level(e.alpha)))),
		report_term('p', 'How often chance alone would show a difference as large as this one, or larger, if there were none. '
						 || 'It is not the chance that the treatment works.'),
		E'</dl>\n',
		report_details('Metrics', E'<dl class="notes">\n' || report_metric_notes(report_methods.experiment) || '</dl>')))
	FROM experiments AS e
	JOIN analyses AS a ON a.experiment = e.experiment
	CROSS JOIN (SELECT array_agg(r ORDER BY r.place) AS lines FROM report_lines(report_methods.experiment) AS r) AS l
	WHERE e.experiment = report_methods.experiment;
END;
COMMENT ON FUNCTION report_methods(text) IS 'section: tests, definitions and how to read them';

-- Reports: the sections of the page.  Each is a query of the result views, and NULL if there is nothing to say.

CREATE FUNCTION report_level(alpha float8) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT trim_scale(round((100 * (1 - alpha))::numeric, 3)) || ' %';
END;
COMMENT ON FUNCTION report_level(float8) IS 'the confidence level at alpha: 95 %';

CREATE FUNCTION report_dates(starts timestamptz, ends timestamptz, time_zone text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN starts IS NULL AND ends IS NULL THEN 'all dates'
				ELSE concat_ws(' ', 'from ' || report_time(starts, time_zone), 'until ' || report_time(ends, time_zone)) END;
END;
COMMENT ON FUNCTION report_dates(timestamptz, timestamptz, text) IS 'when an experiment runs';

CREATE FUNCTION report_status(starts timestamptz, ends timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN starts > now() THEN 'planned' WHEN ends <= now() THEN 'ended' ELSE 'running' END;
END;
COMMENT ON FUNCTION report_status(timestamptz, timestamptz) IS 'planned, running or ended';

CREATE FUNCTION report_header(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT concat(E'<header>\n<p class="eyebrow">Experiment report &#183; ' || report_label(e.experiment) || E'</p>\n',
				  '<h1>' || report_label(e.name) || E'</h1>\n',
				  '<p class="lead">' || report_escape(e.hypothesis) || E'</p>\n',
				  E'<dl class="facts">\n',
				  report_term('Status', report_status(e.starts, e.ends)),
				  report_term('Units', format('%s <small>(%s)</small>', to_char(a.units, 'FM999,999,999,999,990'), report_label(e.unit))),
				  report_term('Runs', report_dates(e.starts, e.ends, e.time_zone)),
				  report_term('Data up to', report_time(a.as_of, e.time_zone)),
				  E'</dl>\n</header>\n')
	FROM experiments AS e JOIN analyses AS a ON a.experiment = e.experiment
	WHERE e.experiment = report_header.experiment;
END;
COMMENT ON FUNCTION report_header(text) IS 'what an experiment is about';

-- The decision

CREATE FUNCTION report_decided(d decisions, time_zone text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format(E'<p>%s <strong>%s</strong>%s</p>\n<p class="soft">decided by %s on %s</p>\n', report_pill(d.decision),
				  coalesce(report_label(d.variant), 'all variants'),
				  ': ' || report_escape(d.reason), report_label(d.decided_by), report_time(d.decided_at, time_zone));
END;
COMMENT ON FUNCTION report_decided(decisions, text) IS 'what somebody decided';

CREATE FUNCTION report_decisions(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format(E'<div class="decided %s">\n%s%s</div>\n', report_class(((array_agg(l.d ORDER BY l.age))[1]).decision),
				  min(report_decided(l.d, l.time_zone)) FILTER (WHERE l.age = 1),
				  report_details('Earlier decisions', string_agg(report_decided(l.d, l.time_zone), '' ORDER BY l.age) FILTER (WHERE l.age > 1)))
	FROM (SELECT d, e.time_zone, row_number() OVER (ORDER BY d.decided_at DESC) AS age
		  FROM decisions AS d JOIN experiments AS e ON e.experiment = d.experiment
		  WHERE d.experiment = report_decisions.experiment) AS l
	HAVING count(*) > 0;
END;
COMMENT ON FUNCTION report_decisions(text) IS 'the decisions that people made: the last one, and earlier ones folded';

-- Of a long list, what secondary metrics say is folded: it decides nothing.
CREATE FUNCTION report_reason_list(reasons text, OUT place bigint, OUT reason text, OUT folded boolean) RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT u.place, u.reason, count(*) OVER () > 8 AND u.reason LIKE 'secondary %'
	FROM unnest(string_to_array(reasons, E'\n')) WITH ORDINALITY AS u (reason, place);
END;
COMMENT ON FUNCTION report_reason_list(text) IS 'the reasons of a recommendation, one a row';

-- No line ends between a number and what belongs to it.
CREATE FUNCTION report_together(t text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT regexp_replace(regexp_replace(report_escape(t), '(\d) %', '\1&#160;%', 'g'), 'p (=|&lt;) (\d)', 'p&#160;\1&#160;\2', 'g');
END;
COMMENT ON FUNCTION report_together(text) IS 'a reason, in HTML';

CREATE FUNCTION report_reasons(reasons text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT concat('<ul>' || string_agg('<li>' || report_together(r.reason) || '</li>', '' ORDER BY r.place) FILTER (WHERE NOT r.folded) || '</ul>',
				  report_details(report_count(count(*) FILTER (WHERE r.folded), 'secondary result'),
								 '<ul>' || string_agg('<li>' || report_together(r.reason) || '</li>', '' ORDER BY r.place) FILTER (WHERE r.folded) || '</ul>'))
	FROM report_reason_list(reasons) AS r
	HAVING count(*) > 0;
END;
COMMENT ON FUNCTION report_reasons(text) IS 'the reasons of a recommendation, as a list; NULL if there are none';

CREATE FUNCTION report_headline(line report_line, alpha float8) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format(E'<p class="headline"><b>%s</b> <span>%s, %s interval %s</span></p>\n',
				  report_figures(report_effect(line.lift, line.lift_low, line.lift_high, line.diff, line.kind)), report_label(line.heading),
				  report_figures(report_level(alpha)),
				  report_figures(report_interval(line.lift, line.lift_low, line.lift_high, line.diff_low, line.diff_high, line.kind)))
	WHERE line.diff IS NOT NULL;
END;
COMMENT ON FUNCTION report_headline(report_line, float8) IS 'a result in large letters; NULL without an estimate';

CREATE FUNCTION report_decision(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT report_section('decision', 'Decision', concat(
		report_decisions(report_decision.experiment),
		(SELECT E'<p class="soft">What the rules recommend, and why:</p>\n<div class="cards">\n'
				|| string_agg(format(E'<article class="card %s">\n<h3>%s</h3>\n<p class="verdict">%s</p>\n%s%s</article>\n',
									 report_class(s.recommendation), report_label(s.variant), report_pill(coalesce(s.recommendation, 'no recommendation')),
									 report_headline(l, s.alpha),
									 coalesce(report_reasons(s.reasons), '<p class="soft">There are no results for this variant.</p>')),
							  '' ORDER BY v.place)
				|| E'</div>\n'
		 FROM experiment_summary AS s
		 JOIN variants AS v ON v.experiment = s.experiment AND v.variant = s.variant
		 LEFT JOIN report_lines(report_decision.experiment) AS l ON l.heading = s.primary_metric AND l.variant = s.variant
		 WHERE s.experiment = report_decision.experiment)));
END;
COMMENT ON FUNCTION report_decision(text) IS 'section: what was decided, and what is recommended for each treatment';

-- Health

CREATE FUNCTION report_checks(checks experiment_health[], caption text) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT report_table(caption, '{Status,Check,What was found}', NULL,
						string_agg(format(E'<tr><td>%s</td><th scope="row">%s</th><td>%s</td></tr>\n', report_pill(c.status),
										  report_escape(replace(c.check_name, '_', ' ')), report_escape(c.detail)), '' ORDER BY c.place))
	FROM unnest(checks) AS c;
END;
COMMENT ON FUNCTION report_checks(experiment_health[], text) IS 'checks as a table; NULL if there are none';

CREATE FUNCTION report_number_cells(numbers text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT string_agg('<td class="num">' || report_figures(n) || '</td>', '' ORDER BY place)
	FROM unnest(numbers) WITH ORDINALITY AS u (n, place);
END;
COMMENT ON FUNCTION report_number_cells(text[]) IS 'formatted numbers as cells of a table';

CREATE FUNCTION report_split(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH counted AS (
		SELECT DISTINCT ON (u.variant) u.variant, u.n
		FROM report_lines(report_split.experiment) AS l
		CROSS JOIN LATERAL (VALUES (l.variant, l.n), (l.control, l.n_control)) AS u (variant, n)
		ORDER BY u.variant, l.place
	), split AS (
		SELECT v.*, coalesce(c.n, 0) AS n, v.weight / sum(v.weight) OVER () AS planned,
			   c.n / nullif(sum(c.n) OVER (), 0)::float8 AS share
		FROM variants AS v LEFT JOIN counted AS c ON c.variant = v.variant
		WHERE v.experiment = report_split.experiment
	)
	SELECT report_table('Units by variant', '{Variant,Planned,Units,Share}', 2,
						string_agg(concat('<tr><th scope="row">', report_label(s.variant), CASE WHEN s.is_control THEN ' <small>(control)</small>' END,
										  '<br/><small>' || report_escape(s.description) || '</small>', '</th>',
										  report_number_cells(ARRAY[report_value(s.planned, 'proportion'), to_char(s.n, 'FM999,999,999,990'),
																	report_value(s.share, 'proportion')]), E'</tr>\n'), '' ORDER BY s.place))
	FROM split AS s;
END;
COMMENT ON FUNCTION report_split(text) IS 'the variants, and how many units each has';

CREATE FUNCTION report_health(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT report_section('health', 'Can the numbers be trusted?', concat(
		CASE WHEN h.fails + h.warns > 0 THEN
				format(E'<p>%s</p>\n', concat_ws(', ', report_pill('fail') || ' ' || report_count(nullif(h.fails, 0), 'check') || ' failed',
														report_pill('warn') || ' ' || report_count(nullif(h.warns, 0), 'warning')))
			 WHEN h.oks > 0 THEN format(E'<p>%s All checks of the exposures are passed.</p>\n', report_pill('ok'))
			 ELSE E'<p>The exposures were not checked.</p>\n' END,
		report_checks(h.bad, 'Checks that were not passed'),
		report_split(report_health.experiment),
		report_details(report_count(h.oks, 'check') || ' passed', report_checks(h.good, 'Checks that were passed'))))
	FROM (SELECT count(*) FILTER (WHERE c.status = 'fail') AS fails, count(*) FILTER (WHERE c.status = 'warn') AS warns,
				 count(*) FILTER (WHERE c.status = 'ok') AS oks,
				 array_agg(c ORDER BY c.place) FILTER (WHERE c.status <> 'ok') AS bad,
				 array_agg(c ORDER BY c.place) FILTER (WHERE c.status = 'ok') AS good
		  FROM experiment_health AS c WHERE c.experiment = report_health.experiment) AS h;
END;
COMMENT ON FUNCTION report_health(text) IS 'section: the checks of the exposures';

-- Results

CREATE FUNCTION report_forest_row(line report_line, axis report_axis, grid text, group_rows bigint) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT '<tr role="row">'
		   || CASE WHEN group_rows IS NULL THEN '' ELSE
				format('<th role="rowheader" scope="rowgroup" rowspan="%s" class="group">%s<br/><small>%s</small></th>', group_rows,
					   report_label(line.heading), report_escape(line.note)) END
		   || format('<th role="rowheader" scope="row" class="variant">%s</th>', report_label(line.variant))
		   || format('<td role="cell" class="figure">%s</td>', report_bar(line, axis, grid))
		   || format('<td role="cell" class="num effect"><b>%s</b><br/><small>%s</small></td>',
					 report_figures(report_effect(line.lift, line.lift_low, line.lift_high, line.diff, line.kind)),
					 report_figures(report_interval(line.lift, line.lift_low, line.lift_high, line.diff_low, line.diff_high, line.kind)))
		   || format('<td role="cell" class="num p"><span class="only-phone">p </span>%s</td>', report_figures(report_p(coalesce(line.p_adjusted, line.p_value))))
		   || format(E'<td role="cell" class="outcome">%s</td></tr>\n', report_pill(line.outcome));
END;
COMMENT ON FUNCTION report_forest_row(report_line, report_axis, text, bigint) IS
'a row of a forest plot; the first of a group has the number of the group''s rows, others NULL';

CREATE FUNCTION report_forest_head(group_title text, axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT '<thead role="rowgroup"><tr role="row">'
		   || string_agg(format('<th role="columnheader" scope="col"%s>%s</th>', ' class="' || class || '"', title), '' ORDER BY place)
		   || E'</tr></thead>\n'
	FROM (VALUES (1, NULL, group_title), (2, NULL, 'Variant'),
				 (3, 'figure', '<span class="hidden">Interval on a common axis</span>' || report_scale_svg(axis)),
				 (4, 'num', 'Lift, interval'), (5, 'num', 'p, adjusted'), (6, NULL, 'Outcome')) AS v (place, class, title);
END;
COMMENT ON FUNCTION report_forest_head(text, report_axis) IS 'the titles of a forest plot, with its axis';

CREATE FUNCTION report_forest(lines report_line[], caption text, group_title text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH a AS MATERIALIZED (
		SELECT x.axis, report_grid(x.axis) AS grid FROM (SELECT report_axis(lines, 5) AS axis OFFSET 0) AS x
	), l AS (
		SELECT u AS line, u.place, min(u.place) OVER w AS first, count(*) OVER w AS rows
		FROM unnest(lines) AS u
		WINDOW w AS (PARTITION BY u.heading, u.note)
	), groups AS (
		SELECT l.first, format(E'<tbody role="rowgroup">\n%s</tbody>\n', string_agg(
			report_forest_row(l.line, a.axis, a.grid, CASE WHEN l.place = l.first THEN l.rows END), '' ORDER BY l.place)) AS body
		FROM l CROSS JOIN a
		GROUP BY l.first
	)
	SELECT format(E'<table class="forest" role="table">\n<caption>%s</caption>\n', caption)
		   || report_forest_head(group_title, (SELECT a.axis FROM a)) || string_agg(g.body, '' ORDER BY g.first) || E'</table>\n'
	FROM groups AS g
	HAVING count(*) > 0;
END;
COMMENT ON FUNCTION report_forest(report_line[], text, text) IS 'results as a table with a picture of each interval on an axis of all';

CREATE FUNCTION report_numbers(lines report_line[], caption text) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT report_table(caption, '{Metric,Variant,Test,Units,Units of control,Value,Value of control,Difference,Interval,p,"p, adjusted"}', 4,
		string_agg(concat('<tr><th scope="row">', report_label(l.heading), '</th><td>', report_label(l.variant), '</td><td>', report_escape(l.method), '</td>',
			report_number_cells(ARRAY[to_char(l.n, 'FM999,999,999,990'), to_char(l.n_control, 'FM999,999,999,990'),
									  report_value(l.estimate, l.kind), report_value(l.estimate_control, l.kind), report_diff(l.diff, l.kind),
									  report_interval(NULL, NULL, NULL, l.diff_low, l.diff_high, l.kind),
									  report_p(l.p_value), report_p(l.p_adjusted)]), E'</tr>\n'), '' ORDER BY l.place))
	FROM unnest(lines) AS l;
END;
COMMENT ON FUNCTION report_numbers(report_line[], text) IS 'results as a table of all numbers';

CREATE FUNCTION report_legend() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT '<p class="legend">'
		   || string_agg(format('<span><svg class="bar %s" width="18" height="18" aria-hidden="true">%s</svg> %s</span>', class, mark, meaning), E'\n' ORDER BY place)
		   || E'</p>\n'
	FROM (VALUES (1, 'good', '<circle cx="9" cy="9" r="5.5"/>', 'better, or a guardrail that holds'),
				 (2, 'bad', '<path d="M9 2L16 9L9 16L2 9Z"/>', 'worse, or a guardrail that is broken'),
				 (3, 'open', '<circle cx="9" cy="9" r="5.5"/>', 'open: the data do not say'),
				 (4, 'open', '<line class="margin" x1="9" x2="9" y1="1" y2="17"/>', 'margin of a guardrail')) AS v (place, class, mark, meaning);
END;
COMMENT ON FUNCTION report_legend() IS 'what the signs of a forest plot mean';

CREATE FUNCTION report_results(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT report_section('results', 'Results', coalesce(
		report_forest(l.lines, format('Lift against %s, with %s intervals', report_label((l.lines[1]).control), report_figures(report_level(e.alpha))), 'Metric')
		|| report_legend()
		|| report_details('All numbers', report_numbers(l.lines, 'Values, differences and tests')),
		E'<p>There are no results: no metric has data of a treatment.</p>\n'))
	FROM experiments AS e
	CROSS JOIN (SELECT array_agg(r ORDER BY r.place) AS lines FROM report_lines(report_results.experiment) AS r) AS l
	WHERE e.experiment = report_results.experiment;
END;
COMMENT ON FUNCTION report_results(text) IS 'section: the forest plot of lifts';

-- Over time

CREATE TYPE report_series AS (
	place bigint, metric text, kind text, variant text, variant_place integer, relative boolean, alpha float8, points report_point[]
);
COMMENT ON TYPE report_series IS 'the days of a metric and a variant: lifts if relative, else differences';

CREATE FUNCTION report_series(experiment text) RETURNS SETOF report_series
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT em.place + CASE em.role WHEN 'primary' THEN 0 WHEN 'secondary' THEN 1000 ELSE 2000 END, t.metric, k.kind, t.variant, v.place, t.relative, t.alpha,
		   array_agg(CASE WHEN t.relative THEN ROW(t.day, t.lift, t.sequential_lift_low, t.sequential_lift_high, t.complete)::report_point
						  ELSE ROW(t.day, t.diff, t.sequential_diff_low, t.sequential_diff_high, t.complete)::report_point END ORDER BY t.day)
	FROM (SELECT s.*, bool_or(s.lift IS NOT NULL) OVER (PARTITION BY s.metric) AS relative
		  FROM experiment_timeseries AS s
		  WHERE s.experiment = report_series.experiment AND s.kind = 'cumulative') AS t
	JOIN experiment_metrics AS em ON em.experiment = t.experiment AND em.metric = t.metric
	JOIN metrics AS k ON k.metric = t.metric
	LEFT JOIN variants AS v ON v.experiment = t.experiment AND v.variant = t.variant
	GROUP BY em.role, em.place, t.metric, k.kind, t.variant, v.place, t.relative, t.alpha;
END;
COMMENT ON FUNCTION report_series(text) IS 'the time series of an experiment, by metric and variant';

CREATE FUNCTION report_series_caption(s report_series) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT format('<b>%s</b> %s <small>%s</small>', report_label(s.variant), report_figures(report_point_effect(l.last, s.relative, s.kind)),
				  report_figures(report_point_interval(l.last, s.relative, s.kind)))
	FROM (SELECT (array_agg(p ORDER BY p.day DESC))[1] AS last FROM unnest(s.points) AS p WHERE p.value IS NOT NULL) AS l;
END;
COMMENT ON FUNCTION report_series_caption(report_series) IS 'a variant, and where its estimate and band are on the last day';

CREATE FUNCTION report_charts(series report_series[]) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH a AS MATERIALIZED (
		SELECT x.axis, report_levels(x.axis, x.relative, x.kind) AS levels
		FROM (SELECT report_time_axis(array_agg(p)) AS axis, bool_or(q.relative) AS relative, min(q.kind) AS kind
			  FROM unnest(series) AS q CROSS JOIN unnest(q.points) AS p) AS x
	)
	SELECT E'<div class="charts">\n' || string_agg(
		report_chart(s.points, a.axis, a.levels, s.relative, s.kind, format('chart-%s-%s', s.place, s.variant_place),
					 format('%s of %s, %s, over time', CASE WHEN s.relative THEN 'Lift' ELSE 'Difference' END, s.metric, s.variant),
					 report_series_caption(s)), '' ORDER BY s.variant_place, s.variant) || E'</div>\n'
	FROM unnest(series) AS s CROSS JOIN a;
END;
COMMENT ON FUNCTION report_charts(report_series[]) IS 'the charts of a metric, a variant each, on one axis';

CREATE FUNCTION report_day_table(series report_series[]) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT report_table('Day by day, cumulative', ARRAY['Day', 'Variant', CASE WHEN bool_or(s.relative) THEN 'Lift' ELSE 'Difference' END, 'Band'], 3,
		string_agg(concat('<tr><th scope="row">', to_char(p.day::timestamp, 'YYYY-MM-DD'), CASE WHEN NOT p.complete THEN ' <small>(not over)</small>' END,
						  '</th><td>', report_label(s.variant), '</td>',
						  report_number_cells(ARRAY[report_point_effect(p, s.relative, s.kind), report_point_interval(p, s.relative, s.kind)]), E'</tr>\n'),
				   '' ORDER BY p.day, s.variant_place, s.variant))
	FROM unnest(series) AS s CROSS JOIN unnest(s.points) AS p;
END;
COMMENT ON FUNCTION report_day_table(report_series[]) IS 'the numbers of the charts of a metric';

CREATE FUNCTION report_over_time(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT report_section('time', 'Over time', format(
		'<p class="soft">All units exposed, and all that happened, up to the end of each day. '
		|| E'The band is an always-valid %s interval: it may be read on every day, and is wider than one that is read once.</p>\n',
		report_figures(report_level(min(m.alpha))))
		|| string_agg(CASE WHEN m.nth = 1
			THEN format(E'<h3>%s</h3>\n', report_label(m.metric)) || report_charts(m.series) || report_details('Numbers by day', report_day_table(m.series))
			ELSE report_details(report_label(m.metric), report_charts(m.series)) END, '' ORDER BY m.nth))
	FROM (SELECT s.metric, min(s.alpha) AS alpha, array_agg(s) AS series, row_number() OVER (ORDER BY s.place) AS nth
		  FROM report_series(report_over_time.experiment) AS s GROUP BY s.place, s.metric) AS m;
END;
COMMENT ON FUNCTION report_over_time(text) IS 'section: each metric by day; the first open, others folded';

-- Segments

CREATE FUNCTION report_segments(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT report_section('segments', 'Segments',
		'<p class="soft">Segments are for questions, not for answers: with many of them, some differ by chance. '
		|| E'Their p-values are adjusted (Holm) within a metric and a segment.</p>\n'
		|| string_agg(CASE WHEN f.nth = 1 THEN format(E'<h3>%s</h3>\n', report_label(f.metric)) || f.forest
						   ELSE report_details(report_label(f.metric), f.forest) END, '' ORDER BY f.nth))
	FROM (SELECT g.metric, row_number() OVER (ORDER BY g.place) AS nth,
				 report_forest(g.lines, format('Lift against %s in each segment', report_label((g.lines[1]).control)), 'Segment') AS forest
		  FROM (SELECT m.metric, min(m.place) AS place, array_agg(l ORDER BY l.place) AS lines
				FROM (SELECT r.heading AS metric, min(r.place) AS place FROM report_lines(report_segments.experiment) AS r GROUP BY r.heading) AS m
				CROSS JOIN LATERAL report_segment_lines(report_segments.experiment, m.metric) AS l
				GROUP BY m.metric) AS g) AS f;
END;
COMMENT ON FUNCTION report_segments(text) IS 'section: results in each segment; the first metric open, others folded';

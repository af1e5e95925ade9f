-- Reports: the forest plot and the charts over time, as inline SVG.

-- Places are percentages of the width, so that a figure is as wide as the screen allows, with lines and letters of one
-- size on all.  Only the lines over time, which SVG cannot draw in percentages, are stretched.

CREATE FUNCTION report_x(x float8, axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT round((100 * report_place(x, axis))::numeric, 2) || '%';
END;
COMMENT ON FUNCTION report_x(float8, report_axis) IS 'where on the axis, from the left';

CREATE FUNCTION report_y(x float8, axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT round((100 - 100 * report_place(x, axis))::numeric, 2) || '%';
END;
COMMENT ON FUNCTION report_y(float8, report_axis) IS 'where on the axis, from above';

CREATE FUNCTION report_grid(axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT string_agg(format('<line class="%s" x1="%s" x2="%2$s" y1="0" y2="100%%"/>',
							 CASE WHEN t = 0 THEN 'zero' ELSE 'tick' END, report_x(t, axis)), '' ORDER BY t <> 0 DESC, t)
	FROM report_ticks(axis) AS t;
END;
COMMENT ON FUNCTION report_grid(report_axis) IS 'vertical lines at the ticks';

CREATE FUNCTION report_scale_svg(axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT '<svg class="scale" width="100%" height="20" aria-hidden="true">'
		   || string_agg(format('<text x="%s" y="14" text-anchor="middle">%s</text>', report_x(t, axis),
								CASE WHEN t = 0 THEN '0' ELSE report_figures(report_percent(t, report_decimals((axis).step * 10))) END), '' ORDER BY t)
		   || '</svg>'
	FROM report_ticks(axis) AS t;
END;
COMMENT ON FUNCTION report_scale_svg(report_axis) IS 'the numbers at the ticks of a forest plot';

-- Of an interval: its end, or an arrow if it goes on beyond the axis.
CREATE FUNCTION report_end(x float8, axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format('<svg class="end" x="%s" y="50%%" overflow="visible"><path d="%s"/></svg>', report_x(x, axis),
				  CASE WHEN x < (axis).low THEN 'M7 -6L0 0L7 6' WHEN x > (axis).high THEN 'M-7 -6L0 0L-7 6' ELSE 'M0 -5V5' END);
END;
COMMENT ON FUNCTION report_end(float8, report_axis) IS 'the end of an interval; an arrow if it goes on beyond the axis';

CREATE FUNCTION report_marker(x float8, axis report_axis, outcome text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format('<svg class="mark" x="%s" y="50%%" overflow="visible">%s</svg>', report_x(x, axis),
				  CASE WHEN report_class(outcome) = 'bad' THEN '<path d="M0 -7L7 0L0 7L-7 0Z"/>' ELSE '<circle r="5.5"/>' END)
	WHERE x BETWEEN (axis).low AND (axis).high;
END;
COMMENT ON FUNCTION report_marker(float8, report_axis, text) IS 'the estimate: a disc, of something bad a diamond';

CREATE FUNCTION report_bar(line report_line, axis report_axis, grid text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format('<svg class="bar %s" width="100%%" height="48" role="img"><title>%s</title>%s</svg>', report_class(line.outcome),
				  report_escape(format('%s, %s: %s', line.heading, line.variant,
					CASE WHEN line.lift IS NULL THEN 'no lift, for the control''s value is 0 or unknown'
						 ELSE format('lift %s, interval %s, %s',
									 report_effect(line.lift, line.lift_low, line.lift_high, NULL, NULL),
									 report_interval(line.lift, line.lift_low, line.lift_high, NULL, NULL, NULL), line.outcome) END)),
				  concat(grid,
					'<line class="margin" x1="' || report_x(line.margin, axis) || '" x2="' || report_x(line.margin, axis) || '" y1="10" y2="38"/>',
					'<line class="interval" x1="' || report_x(line.lift_low, axis) || '" x2="' || report_x(line.lift_high, axis)
						|| '" y1="50%" y2="50%"/>' || report_end(line.lift_low, axis) || report_end(line.lift_high, axis),
					report_marker(line.lift, axis, line.outcome)));
END;
COMMENT ON FUNCTION report_bar(report_line, report_axis, text) IS 'a lift and its interval, as a picture on the grid of the axis';

-- What is drawn over time: an estimate and its band on a day.
CREATE TYPE report_point AS (day date, value float8, low float8, high float8, complete boolean);
COMMENT ON TYPE report_point IS 'an estimate and the ends of its band on a day';

-- On the first days the band is many times as wide as in the end: the axis shows twice the last one's reach, and every estimate
-- within four times.
CREATE FUNCTION report_time_axis(points report_point[]) RETURNS report_axis
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT report_axis(greatest(min(v.v), -4 * max(l.reach)), least(max(v.v), 4 * max(l.reach)), 4)
	FROM (SELECT max(report_scale(p.value, p.low, p.high)) AS reach FROM unnest(points) AS p
		  WHERE p.day = (SELECT max(q.day) FROM unnest(points) AS q WHERE report_scale(q.value, q.low, q.high) > 0)) AS l
	CROSS JOIN LATERAL (
		SELECT 0::float8 AS v
		UNION ALL SELECT p.value FROM unnest(points) AS p
		UNION ALL SELECT least(greatest(x.x, -2 * l.reach), 2 * l.reach)
		FROM unnest(points) AS p CROSS JOIN LATERAL unnest(ARRAY[p.low, p.high]) AS x) AS v;
END;
COMMENT ON FUNCTION report_time_axis(report_point[]) IS 'the vertical axis of these points';

CREATE FUNCTION report_day_place(day date, first date, last date) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN last > first THEN (day - first)::float8 / (last - first) ELSE 0.5 END;
END;
COMMENT ON FUNCTION report_day_place(date, date, date) IS 'where a day is between the first, 0, and the last, 1';

CREATE FUNCTION report_point_effect(point report_point, relative boolean, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT report_effect(CASE WHEN relative THEN point.value END, point.low, point.high, point.value, kind);
END;
COMMENT ON FUNCTION report_point_effect(report_point, boolean, text) IS 'the estimate of a day, as text';

CREATE FUNCTION report_point_interval(point report_point, relative boolean, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT report_interval(CASE WHEN relative THEN point.value END, point.low, point.high, point.low, point.high, kind);
END;
COMMENT ON FUNCTION report_point_interval(report_point, boolean, text) IS 'the band of a day, as text';

-- A line through points of a plane of 1000 by 1000; what is beyond it is not drawn.
CREATE FUNCTION report_point_text(x float8, y float8, axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT round((1000 * x)::numeric) || ' ' || round((1000 * (1 - least(greatest((y - axis.low) / (axis.high - axis.low), -1), 2)))::numeric, 1);
END;
COMMENT ON FUNCTION report_point_text(float8, float8, report_axis) IS 'a point of a path';

CREATE FUNCTION report_paths(points report_point[], axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT concat('<path class="band" d="M' || string_agg(report_point_text(s.x, s.high, axis), 'L' ORDER BY s.day) FILTER (WHERE s.banded)
		   || 'L' || string_agg(report_point_text(s.x, s.low, axis), 'L' ORDER BY s.day DESC) FILTER (WHERE s.banded) || 'Z"/>',
				  '<path class="line" d="M' || string_agg(report_point_text(s.x, s.value, axis), 'L' ORDER BY s.day) FILTER (WHERE s.value IS NOT NULL)
				  || '"/>')
	FROM (SELECT p.*, p.low IS NOT NULL AND p.high IS NOT NULL AS banded,
				 report_day_place(p.day, min(p.day) OVER (), max(p.day) OVER ()) AS x
		  FROM unnest(points) AS p) AS s;
END;
COMMENT ON FUNCTION report_paths(report_point[], report_axis) IS 'the band and the line of a chart';

-- Numbers at an axis of lifts or, without lifts, of differences.
CREATE FUNCTION report_tick(t float8, axis report_axis, relative boolean, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT report_figures(CASE WHEN t = 0 THEN '0' WHEN relative THEN report_percent(t, report_decimals(axis.step * 10))
							   ELSE report_diff(t, kind) END);
END;
COMMENT ON FUNCTION report_tick(float8, report_axis, boolean, text) IS 'the number at a tick';

CREATE FUNCTION report_levels(axis report_axis, relative boolean, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT string_agg(format('<line class="%s" x1="0" x2="100%%" y1="%s" y2="%2$s"/><text x="-8" y="%2$s" dy="4" text-anchor="end">%s</text>',
							 CASE WHEN t = 0 THEN 'zero' ELSE 'tick' END, report_y(t, axis), report_tick(t, axis, relative, kind)),
					  '' ORDER BY t <> 0 DESC, t)
	FROM report_ticks(axis) AS t;
END;
COMMENT ON FUNCTION report_levels(report_axis, boolean, text) IS 'horizontal lines at the ticks, and their numbers';

CREATE FUNCTION report_days(first date, last date) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN first = last
		THEN format('<text x="50%%" y="100%%" dy="18" text-anchor="middle">%s</text>', to_char(last::timestamp, 'FMDD Mon YYYY'))
		ELSE format('<text x="0" y="100%%" dy="18">%s</text><text x="100%%" y="100%%" dy="18" text-anchor="end">%s</text>',
					to_char(first::timestamp, 'FMDD Mon'), to_char(last::timestamp, 'FMDD Mon YYYY')) END;
END;
COMMENT ON FUNCTION report_days(date, date) IS 'the first and the last day under a chart';

-- The last day of a chart: a disc, hollow while the day is not over; if it is the only day, with its interval.
CREATE FUNCTION report_last(last report_point, single boolean, axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT concat(CASE WHEN single THEN format('<line class="only" x1="50%%" x2="50%%" y1="%s" y2="%s"/>',
											 report_y(last.low, axis), report_y(last.high, axis)) END,
				  format('<svg class="dot%s" x="%s" y="%s" overflow="visible"><circle r="4.5"/></svg>', CASE WHEN last.complete THEN '' ELSE ' partial' END,
						 CASE WHEN single THEN '50%' ELSE '100%' END, report_y(last.value, axis)));
END;
COMMENT ON FUNCTION report_last(report_point, boolean, report_axis) IS 'the last day of a chart';

CREATE FUNCTION report_chart(points report_point[], axis report_axis, levels text, relative boolean, kind text, id text, title text, caption text)
RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT format(E'<figure class="chart"><figcaption>%1$s</figcaption>\n<div class="plot"><svg width="100%%" height="190" role="img" '
				  || 'aria-labelledby="%2$s-t %2$s-d"><title id="%2$s-t">%3$s</title><desc id="%2$s-d">%4$s</desc>',
				  caption, id, report_escape(title),
				  format('From %s on %s to %s on %s, with a band that may be read on every day.',
						 report_figures(report_point_effect(p.points[1], relative, kind)), to_char((p.points[1]).day::timestamp, 'YYYY-MM-DD'),
						 report_figures(report_point_effect(p.last, relative, kind)), to_char((p.last).day::timestamp, 'YYYY-MM-DD')))
		   || levels
		   || CASE WHEN (p.last).day > (p.points[1]).day THEN
				'<svg class="lines" viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%">' || report_paths(p.points, axis) || '</svg>'
			  ELSE '' END
		   || report_last(p.last, (p.last).day = (p.points[1]).day, axis)
		   || report_days((p.points[1]).day, (p.last).day)
		   || E'</svg></div></figure>\n'
	FROM (SELECT array_agg(q ORDER BY q.day) AS points, (array_agg(q ORDER BY q.day DESC))[1] AS last
		  FROM unnest(points) AS q WHERE q.value IS NOT NULL) AS p
	WHERE p.points IS NOT NULL;
END;
COMMENT ON FUNCTION report_chart(report_point[], report_axis, text, boolean, text, text, text, text) IS
'a chart of an effect over time, on the levels of its axis; title is text, caption HTML; NULL without estimates';

-- Reports: the page.

CREATE FUNCTION report_page(experiment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT concat(
		E'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n',
		E'<meta name="viewport" content="width=device-width, initial-scale=1"/>\n',
		E'<meta name="color-scheme" content="light dark"/>\n',
		format(E'<title>%s: experiment report</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n', report_escape(e.name), report_style()),
		report_header(report_page.experiment), report_decision(report_page.experiment), report_health(report_page.experiment), report_results(report_page.experiment),
		report_over_time(report_page.experiment), report_segments(report_page.experiment), report_methods(report_page.experiment),
		format(E'</main>\n<footer><p>Made by expstat from the analysis of %s.</p></footer>\n</body>\n</html>',
			   to_char(timezone(e.time_zone, a.analyzed_at), 'YYYY-MM-DD HH24:MI')))
	FROM experiments AS e JOIN analyses AS a ON a.experiment = e.experiment
	WHERE e.experiment = report_page.experiment;
END;
COMMENT ON FUNCTION report_page(text) IS 'the page of an analysed experiment';

-- Says what is missing before a report can be made.
CREATE FUNCTION check_report(experiment text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known text;
BEGIN
	IF experiment IS NULL THEN
		RAISE EXCEPTION 'experiment must not be NULL'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the id of a registered experiment.';
	END IF;
	IF NOT EXISTS (SELECT FROM @extschema@.experiments AS e WHERE e.experiment = check_report.experiment) THEN
		SELECT string_agg(quote_literal(k.experiment), ', ' ORDER BY k.experiment) INTO known
		FROM (SELECT e.experiment FROM @extschema@.experiments AS e ORDER BY e.experiment LIMIT 10) AS k;
		RAISE EXCEPTION 'there is no experiment "%"', experiment
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = coalesce('Experiments that you may see: ' || known || '.',
								  'There is none that you may see. @extschema@.register_experiment() makes one.');
	END IF;
	IF NOT EXISTS (SELECT FROM @extschema@.analyses AS a WHERE a.experiment = check_report.experiment) THEN
		RAISE EXCEPTION 'experiment "%" has not been analyzed', experiment
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = format('Numbers first: SELECT * FROM @extschema@.analyze(%L).', experiment);
	END IF;
END;
$$;
COMMENT ON FUNCTION check_report(text) IS 'an error, with what to do, if there is nothing to report on an experiment';

CREATE FUNCTION report(experiment text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM @extschema@.check_report(experiment);
	RETURN @extschema@.report_page(experiment);
END;
$$;
COMMENT ON FUNCTION report(text) IS 'what expstat_report() does';

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

CREATE FUNCTION report(experiment text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM @extschema@.analyzed_experiment(experiment);
	RETURN @extschema@.report_page(experiment);
END;
$$;
COMMENT ON FUNCTION report(text) IS 'what expstat_report() does';

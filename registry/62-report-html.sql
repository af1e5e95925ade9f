-- Reports: small pieces of HTML.  Whatever comes from the user's data goes through report_escape().
-- The page's own text is ASCII with numeric entities, and its tags are closed: XML parsers read it, too.

CREATE FUNCTION report_escape(t text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT replace(replace(replace(replace(replace(
		   regexp_replace(t, '[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]', '?', 'g'),	-- these no page may contain
		   '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
END;
COMMENT ON FUNCTION report_escape(text) IS 'text of the user, as text of HTML and in quoted attributes';

-- A label keeps its own direction of writing.
CREATE FUNCTION report_label(t text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN btrim(t) = '' THEN '<i>(empty)</i>' ELSE '<bdi>' || report_escape(t) || '</bdi>' END;
END;
COMMENT ON FUNCTION report_label(text) IS 'a label of the user, in HTML';

CREATE FUNCTION report_figures(t text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN t = '-' THEN '&#8211;' ELSE
		   replace(replace(replace(replace(report_escape(t), '-', '&#8722;'), 'inf', '&#8734;'), ' %', '&#160;%'), ' pp', '&#160;pp') END;
END;
COMMENT ON FUNCTION report_figures(text) IS 'a formatted number or two, with a true minus sign, in HTML';

CREATE FUNCTION report_count(n bigint, what text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT to_char(n, 'FM999,999,999,999,990') || ' ' || what || CASE WHEN n = 1 THEN '' ELSE 's' END;
END;
COMMENT ON FUNCTION report_count(bigint, text) IS 'so many of something: 1 check, 2 checks';

CREATE FUNCTION report_class(word text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN word IN ('ship', 'ok', 'better', 'holds') THEN 'good'
				WHEN word IN ('do not ship', 'fail', 'worse', 'broken') THEN 'bad'
				WHEN word IN ('keep running', 'warn') THEN 'wait'
				ELSE 'open' END;
END;
COMMENT ON FUNCTION report_class(text) IS 'the colour of a decision, outcome or status: good, bad, wait or open';

-- A sign, a word and a colour, so that none of them is the only signal.
CREATE FUNCTION report_pill(word text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format('<span class="pill %s"><span aria-hidden="true">%s</span> %s</span>', c.class,
				  CASE c.class WHEN 'good' THEN '&#10003;' WHEN 'bad' THEN '&#10007;' WHEN 'wait' THEN '!' ELSE '&#9675;' END,
				  report_escape(word))
	FROM (SELECT report_class(word)) AS c (class);
END;
COMMENT ON FUNCTION report_pill(text) IS 'a decision, outcome or status';

CREATE FUNCTION report_details(summary text, content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT '<details><summary>' || summary || '</summary>' || content || E'</details>\n';
END;
COMMENT ON FUNCTION report_details(text, text) IS 'what unfolds; summary and content are HTML';

-- Wide tables scroll within their box, also by keyboard.
CREATE FUNCTION report_table(caption text, titles text[], numbers_from integer, body text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format(E'<div class="scroll" tabindex="0" role="region" aria-label="%1$s"><table>\n<caption>%1$s</caption>\n', caption)
		   || format(E'<thead><tr>%s</tr></thead>\n<tbody>\n%s</tbody></table></div>\n',
					 string_agg(format('<th scope="col"%s>%s</th>', CASE WHEN place >= numbers_from THEN ' class="num"' END, title), '' ORDER BY place),
					 body)
	FROM unnest(titles) WITH ORDINALITY AS u (title, place)
	WHERE body IS NOT NULL
	HAVING count(*) > 0;
END;
COMMENT ON FUNCTION report_table(text, text[], integer, text) IS
'a table; the columns from numbers_from on are numbers; body are its rows in HTML; NULL without any';

CREATE FUNCTION report_section(id text, title text, content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format(E'<section aria-labelledby="%1$s">\n<h2 id="%1$s">%2$s</h2>\n%3$s</section>\n', id, title, content) WHERE content IS NOT NULL;
END;
COMMENT ON FUNCTION report_section(text, text, text) IS 'a section of the page; title and content are HTML; NULL without content';

CREATE FUNCTION report_term(term text, content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format(E'<div><dt>%s</dt><dd>%s</dd></div>\n', term, content) WHERE content IS NOT NULL;
END;
COMMENT ON FUNCTION report_term(text, text) IS 'a term and what there is to say of it; NULL without content';

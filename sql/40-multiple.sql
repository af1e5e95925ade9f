-- Many metrics, many variants: adjusted p-values.

CREATE FUNCTION p_adjust(p float8, method text) RETURNS float8
LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'p_adjust_window';
COMMENT ON FUNCTION p_adjust(float8, text) IS
'p-values adjusted for multiple testing over a window''s partition: bonferroni, holm, hochberg, bh or by; NULL is not counted';

CREATE FUNCTION p_adjust(p float8[], method text) RETURNS float8[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'p_adjust_array';
COMMENT ON FUNCTION p_adjust(float8[], text) IS
'p-values adjusted for multiple testing: bonferroni, holm, hochberg, bh or by; NULL stays and is not counted';


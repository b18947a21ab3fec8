-- Columns of the given tables, in their order; `base` of a domain is the type beneath it (through domains of domains), else
-- null; `labels` of an enum type (a domain's too), else null.
SELECT a.attrelid::bigint AS oid,
       a.attname AS name,
       format_type(a.atttypid, a.atttypmod) AS type,
       NOT a.attnotnull AS nullable,
       a.attidentity <> '' AS identity,
       a.attgenerated <> '' AS generated,
       pg_get_expr(d.adbin, d.adrelid) AS "default",
       t.typcategory IN ('S', 'E') AS textual,
       b.base,
       (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = coalesce(b.oid, t.oid)) AS labels
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN LATERAL (
    WITH RECURSIVE beneath (oid, modifier) AS (
      SELECT t.typbasetype, t.typtypmod WHERE t.typtype = 'd'
      UNION ALL
      SELECT d.typbasetype, CASE WHEN d.typtypmod <> -1 THEN d.typtypmod ELSE u.modifier END
        FROM beneath u JOIN pg_type d ON d.oid = u.oid AND d.typtype = 'd'
    )
    SELECT u.oid, format_type(u.oid, u.modifier) AS base
      FROM beneath u JOIN pg_type y ON y.oid = u.oid AND y.typtype <> 'd'
  ) b ON true
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = ANY (%(oids)s::oid[])
   AND a.attnum > 0
   AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum

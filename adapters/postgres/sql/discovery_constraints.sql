-- Primary keys, unique constraints and foreign keys, with their columns in the constraint's order.
SELECT k.conrelid::bigint AS oid,
       k.contype AS type,
       k.conname AS name,
       (SELECT array_agg(a.attname::text ORDER BY u.place)
          FROM unnest(k.conkey) WITH ORDINALITY u(attnum, place)
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) AS columns,
       n.nspname AS target_schema,
       r.relname AS target_table,
       (SELECT array_agg(a.attname::text ORDER BY u.place)
          FROM unnest(k.confkey) WITH ORDINALITY u(attnum, place)
          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum) AS target_columns
  FROM pg_constraint k
  LEFT JOIN pg_class r ON r.oid = k.confrelid
  LEFT JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE k.conrelid = ANY (%(oids)s::oid[])
   AND k.contype IN ('p', 'u', 'f')
 ORDER BY k.conrelid, k.conname

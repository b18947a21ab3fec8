-- Triggers (ours and internal ones left out), owned sequences and grants of the given tables, as one list of (oid, kind, name, detail).
SELECT t.tgrelid::bigint AS oid, 'trigger' AS kind, t.tgname::text AS name,
       CASE t.tgenabled WHEN 'D' THEN 'disabled' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' ELSE 'origin' END AS detail
  FROM pg_trigger t
 WHERE t.tgrelid = ANY (%(oids)s::oid[]) AND NOT t.tgisinternal AND t.tgname !~ '^cutwater'
UNION ALL
SELECT d.refobjid::bigint, 'sequence', n.nspname || '.' || s.relname, a.attname::text
  FROM pg_depend d
  JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
  JOIN pg_namespace n ON n.oid = s.relnamespace
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.classid = 'pg_class'::regclass AND d.refobjid = ANY (%(oids)s::oid[]) AND d.deptype IN ('a', 'i')
UNION ALL
SELECT c.oid::bigint, 'grant', coalesce(r.rolname, 'PUBLIC'), string_agg(DISTINCT g.privilege_type, ',' ORDER BY g.privilege_type)
  FROM pg_class c
  CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) g
  LEFT JOIN pg_roles r ON r.oid = g.grantee
 WHERE c.oid = ANY (%(oids)s::oid[])
 GROUP BY c.oid, r.rolname
 ORDER BY 1, 2, 3

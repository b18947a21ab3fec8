-- What a side of a wave holds itself: epoch, fence, passes and the position of the reverse sync (docs/specs/fence.md).
-- Run by the migration's role; safe to run again. Every function is SECURITY DEFINER with a fixed search_path: a writer needs no
-- right on these tables, and cannot put operators of its own in the way.

CREATE SCHEMA IF NOT EXISTS cutwater;
GRANT USAGE ON SCHEMA cutwater TO PUBLIC;

CREATE TABLE IF NOT EXISTS cutwater.fence (
  wave   text PRIMARY KEY,
  epoch  bigint NOT NULL,
  closed boolean NOT NULL,
  token  bigint NOT NULL,
  at     timestamptz NOT NULL   -- rises with every closing and opening, whatever the clock does
);
-- A transaction that puts its own pg_current_xact_id() here, with the present token, writes through the fence.
CREATE TABLE IF NOT EXISTS cutwater.pass (
  xid   xid8 PRIMARY KEY,
  wave  text NOT NULL,
  token bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS cutwater.reverse (
  wave         text PRIMARY KEY,
  position_xid xid8,
  position_seq bigint,
  marker       text,
  token        bigint
);

-- The trigger of every fenced table. Arguments: the wave, and the instant of the closing that armed it.
-- A transaction whose snapshot is older than that closing still reads the row as it was before: such a row is never believed.
CREATE OR REPLACE FUNCTION cutwater.guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $guard$
DECLARE
  seen cutwater.fence%ROWTYPE;
BEGIN
  SELECT * INTO seen FROM cutwater.fence AS f WHERE f.wave = TG_ARGV[0];
  IF seen.closed IS FALSE AND seen.at >= TG_ARGV[1]::timestamptz THEN
    RETURN NULL;
  END IF;
  PERFORM FROM cutwater.pass AS p
    WHERE p.xid = pg_current_xact_id_if_assigned() AND p.wave = TG_ARGV[0] AND p.token = seen.token;
  IF FOUND THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = 'WF001',
    MESSAGE = format('%I.%I takes no writes: it is fenced while wave %s moves', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]),
    DETAIL = format('%s was refused and nothing was written.', TG_OP),
    HINT = 'Roll back, and send the request again through the gateway, which knows the side that accepts it now.';
END $guard$;

-- For the writers that know their epoch: called first in their own transaction. The lock keeps a fence from slipping in
-- between this answer and their commit.
CREATE OR REPLACE FUNCTION cutwater.check_epoch(of_wave text, of_epoch bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $check$
DECLARE
  seen cutwater.fence%ROWTYPE;
BEGIN
  SELECT * INTO seen FROM cutwater.fence AS f WHERE f.wave = of_wave FOR SHARE;
  IF seen.closed IS NOT FALSE THEN
    RAISE EXCEPTION USING
      ERRCODE = 'WF001',
      MESSAGE = format('this side takes no writes of wave %s', of_wave),
      HINT = 'Send the request again through the gateway, which knows the side that accepts it now.';
  ELSIF seen.epoch IS DISTINCT FROM of_epoch THEN
    RAISE EXCEPTION USING
      ERRCODE = 'WF002',
      MESSAGE = format('wave %s is at epoch %s, the request carries %s', of_wave, seen.epoch, coalesce(of_epoch::text, 'none')),
      HINT = 'The gateway that forwarded it is behind: read the route again, then repeat the request.';
  END IF;
END $check$;

COMMENT ON SCHEMA cutwater IS 'cutwater fence 1: made by a migration wave, removed by wave complete or abandon';

"""Alembic's environment: runs on the connection that `cutwater.state.migrate` hands in, inside its transaction."""

from __future__ import annotations

from alembic import context

from cutwater.state.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()

# pgtsdb: PGXS makefile.  PG_CONFIG chooses the server to build for.
EXTENSION = pgtsdb
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pgtsdb.control)
MODULE_big = pgtsdb
OBJS = $(patsubst %.c,%.o,$(wildcard src/core/*/*.c src/pg/*.c src/pg/*/*.c))
DATA_built = pgtsdb--$(EXTVERSION).sql
EXTRA_CLEAN = pgtsdb--$(EXTVERSION).sql

PG_CPPFLAGS = -I$(CURDIR)/src
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -ffp-contract=off
SHLIB_LINK = -lsnappy -lpcre2-8

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

pgtsdb--$(EXTVERSION).sql: sql/pgtsdb.sql
	cp $< $@

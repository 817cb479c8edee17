src/core/base/arena.o: src/core/base/arena.c \
 /tmp/wt/infra/src/core/base/base.h
/tmp/wt/infra/src/core/base/base.h:

src/core/base/status.o: src/core/base/status.c \
 /tmp/wt/infra/src/core/base/base.h
/tmp/wt/infra/src/core/base/base.h:

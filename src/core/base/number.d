src/core/base/number.o: src/core/base/number.c \
 /tmp/wt/infra/src/core/base/base.h
/tmp/wt/infra/src/core/base/base.h:

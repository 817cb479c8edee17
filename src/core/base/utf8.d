src/core/base/utf8.o: src/core/base/utf8.c \
 /tmp/wt/infra/src/core/base/base.h
/tmp/wt/infra/src/core/base/base.h:

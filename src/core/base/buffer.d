src/core/base/buffer.o: src/core/base/buffer.c \
 /tmp/wt/infra/src/core/base/base.h
/tmp/wt/infra/src/core/base/base.h:

/*
 * protobuf.h
 *		Reads the protobuf wire format field by field, out of a bounded reader.
 */
#ifndef TSDB_PROTOBUF_H
#define TSDB_PROTOBUF_H

#include "core/base/base.h"
#include "core/chunk/bytes.h"

enum
{
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5
};

#define TAG(field, wire) ((uint64_t) (field) << 3 | (wire))

static inline TsdbReader
tsdb_pb_message(TsdbReader *reader)
{
	uint64_t	len = tsdb_read_varint(reader);
	const uint8_t *bytes = tsdb_read_bytes(reader, len);

	return bytes == NULL ? tsdb_reader(reader->end, 0) : tsdb_reader(bytes, len);
}

static inline TsdbStr
tsdb_pb_text(TsdbReader *reader)
{
	TsdbReader	bytes = tsdb_pb_message(reader);

	return (TsdbStr){(const char *) bytes.cursor, tsdb_reader_left(&bytes)};
}

static inline uint64_t
tsdb_pb_fixed64(TsdbReader *reader)
{
	const uint8_t *bytes = tsdb_read_bytes(reader, 8);

	return bytes == NULL ? 0 : tsdb_load64(bytes);
}

static inline void
tsdb_pb_skip(TsdbReader *reader, uint64_t tag)
{
	switch (tag & 7)
	{
		case WIRE_VARINT:
			tsdb_read_varint(reader);
			break;
		case WIRE_FIXED64:
			tsdb_read_bytes(reader, 8);
			break;
		case WIRE_BYTES:
			tsdb_pb_message(reader);
			break;
		case WIRE_FIXED32:
			tsdb_read_bytes(reader, 4);
			break;
		default:
			/* groups were never part of this protocol */
			reader->failed = true;
	}
	if (tag >> 3 == 0)
		reader->failed = true;
}

/* The tag of the next field; false at the end of the message, and when it is broken. */
static inline bool
tsdb_pb_next(TsdbReader *message, uint64_t *tag)
{
	if (message->failed || tsdb_reader_left(message) == 0)
		return false;
	*tag = tsdb_read_varint(message);
	return !message->failed;
}

#endif							/* TSDB_PROTOBUF_H */

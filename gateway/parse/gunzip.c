/*
 * gunzip.c
 *		A gzip body, unpacked up to a limit, whatever it claims to be.
 */
#include <string.h>
#include <zlib.h>

#include "gateway/parse/parse.h"

#define GZIP_ONLY (15 + 16)
#define STEP 65536

const char *
gw_gunzip(const void *bytes, size_t len, size_t limit, GwBuffer *out, bool *too_large)
{
	z_stream	stream = {0};
	const char *problem = NULL;
	int			status = Z_OK;

	*too_large = false;
	if (len > UINT32_MAX || inflateInit2(&stream, GZIP_ONLY) != Z_OK)
		return "could not unpack the body";
	stream.next_in = (Bytef *) bytes;
	stream.avail_in = (uInt) len;

	while (problem == NULL && (status != Z_STREAM_END || stream.avail_in > 0))
	{
		/* a file may be several, one behind the other */
		if (status == Z_STREAM_END)
			inflateReset(&stream);
		gw_buffer_reserve(out, STEP);
		stream.next_out = (Bytef *) out->data + out->len;
		stream.avail_out = STEP;
		status = inflate(&stream, Z_NO_FLUSH);
		out->len += STEP - stream.avail_out;
		out->data[out->len] = '\0';
		*too_large = out->len > limit;
		if (*too_large)
			problem = "body is too large after decompression";
		else if (status != Z_STREAM_END && (status != Z_OK || (stream.avail_in == 0 && stream.avail_out > 0)))
			problem = "body is not complete gzip";
	}
	inflateEnd(&stream);
	return problem;
}

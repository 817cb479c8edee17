/*
 * stream.c
 *		An answer that is sent while it is still being made.
 *
 * The worker puts pieces in, a thread of libmicrohttpd takes them out.  When there is none, that suspends the
 * connection, and the worker resumes it with the next.  When there are many, the worker waits.  So that a client that takes
 * its time does not keep a connection to the database from others, all waits of an answer together are limited.
 *
 * From gw_stream_start() on the request is that thread's; the worker has the stream.  Whichever lets go of it last frees it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"

/* Held back for the client; a piece may be longer. */
#define MAX_HELD (4 * 1024 * 1024)
#define MAX_WAIT_MS 30000
#define POLL_MS 200
#define BLOCK 65536

struct GwStream
{
	struct MHD_Connection *connection;
	int64_t		waited;			/* by the worker, in all */

	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t changed;
	int			owners;			/* worker and response */
	GwBuffer	held;
	size_t		sent;			/* of it */
	bool		suspended;		/* the connection, until there is more */
	bool		closed;			/* nobody takes any more */
	bool		ended;			/* nobody puts any more */
	bool		broken;			/* and not all was put */
};

static ssize_t take(void *arg, uint64_t position, char *out, size_t room);
static void close_stream(void *arg);
static void release(GwStream *stream);
static bool wait_for_room(GwStream *stream);
static void wake_connection(GwStream *stream);

GwStream *
gw_stream_start(GwRequest *request, GwSession *session, const char *content_type)
{
	GwStream   *stream = gw_alloc(sizeof(GwStream));

	stream->connection = request->connection;
	stream->owners = 2;
	pthread_mutex_init(&stream->lock, NULL);
	pthread_cond_init(&stream->changed, NULL);
	request->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, take, stream, close_stream);
	if (request->response == NULL)
		abort();
	request->status = MHD_HTTP_OK;
	gw_add_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	session->handed_over = true;
	MHD_resume_connection(stream->connection);
	return stream;
}

/* False: the client does not take it. */
bool
gw_stream_put(GwStream *stream, const char *bytes, size_t len)
{
	bool		open;

	pthread_mutex_lock(&stream->lock);
	open = wait_for_room(stream);
	if (open)
	{
		if (stream->sent == stream->held.len)
			stream->sent = stream->held.len = 0;
		gw_buffer_append(&stream->held, bytes, len);
		wake_connection(stream);
	}
	pthread_mutex_unlock(&stream->lock);
	if (open)
		gw_count_bytes(0, (int64_t) len);
	return open;
}

static bool
wait_for_room(GwStream *stream)
{
	while (stream->held.len - stream->sent >= MAX_HELD && !stream->closed && !gw_stopping && stream->waited < MAX_WAIT_MS)
	{
		struct timespec until;
		int64_t		before = gw_now();

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += POLL_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&stream->changed, &stream->lock, &until);
		stream->waited += gw_now() - before;
	}
	return stream->held.len - stream->sent < MAX_HELD && !stream->closed && !gw_stopping;
}

/* Of what is not whole the client shall learn: its connection breaks. */
void
gw_stream_end(GwStream *stream, bool whole)
{
	pthread_mutex_lock(&stream->lock);
	stream->ended = true;
	stream->broken = !whole;
	wake_connection(stream);
	pthread_mutex_unlock(&stream->lock);
	release(stream);
}

/* It lives as long as it is suspended. */
static void
wake_connection(GwStream *stream)
{
	if (stream->suspended)
		MHD_resume_connection(stream->connection);
	stream->suspended = false;
}

static ssize_t
take(void *arg, uint64_t position, char *out, size_t room)
{
	GwStream   *stream = arg;
	ssize_t		taken = 0;

	pthread_mutex_lock(&stream->lock);
	if (stream->sent < stream->held.len)
	{
		size_t		left = stream->held.len - stream->sent;

		taken = (ssize_t) (left < room ? left : room);
		memcpy(out, stream->held.data + stream->sent, (size_t) taken);
		stream->sent += (size_t) taken;
		pthread_cond_signal(&stream->changed);
	}
	else if (stream->ended)
		taken = stream->broken ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
	else
	{
		stream->suspended = true;
		MHD_suspend_connection(stream->connection);
	}
	pthread_mutex_unlock(&stream->lock);
	return taken;
}

static void
close_stream(void *arg)
{
	GwStream   *stream = arg;

	pthread_mutex_lock(&stream->lock);
	stream->closed = true;
	pthread_cond_signal(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
	release(stream);
}

static void
release(GwStream *stream)
{
	bool		last;

	pthread_mutex_lock(&stream->lock);
	last = --stream->owners == 0;
	pthread_mutex_unlock(&stream->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&stream->lock);
	pthread_cond_destroy(&stream->changed);
	gw_buffer_free(&stream->held);
	free(stream);
}

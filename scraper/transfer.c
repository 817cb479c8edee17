/*
 * transfer.c
 *		HTTP exchanges of a worker, many at a time, on libcurl's multi interface.
 *
 * libcurl tells which sockets it waits for (on_socket) and until when
 * (on_timer); the sockets stand in an epoll set of our own, and the worker waits
 * on the descriptor of that set together with its latch.  So a wake-up, a
 * dead postmaster and a byte from any of thousands of targets end the same wait, and
 * its cost does not grow with the number of targets.
 *
 * What foreign code of this kind needs in a server process:
 *
 * - No callback may ereport(): a jump through frames of libcurl leaves it broken.
 *	 So bodies are malloc'ed, and a callback that fails says so to libcurl.
 * - libcurl starts a thread to resolve a name.  Signal handlers of the server
 *	 must run in the main thread only, so all signals are blocked while libcurl
 *	 runs, and its threads inherit that.  CURLOPT_NOSIGNAL keeps libcurl from SIGALRM.
 * - Sockets count against the limit of open files that the server's own file
 *	 descriptors are taken from.  A worker raises its own limit as far as it may,
 *	 since hundreds of hanging targets hold a socket each, and libcurl gets half of it.
 */
#include "postgres.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/worker/worker.h"
#include "transfer.h"

#define MAX_CONNECTIONS 4096
#define MAX_REDIRECTS 10
#define EVENTS_PER_WAIT 256

struct PgtsdbTransfers
{
	CURLM	   *multi;
	int			epoll_fd;
	WaitEventSet *events;		/* the latch, the death of the postmaster, the epoll set */
	TimestampTz timer;			/* when libcurl wants to be called; 0: not at all */
};

static int	on_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *known);
static int	on_timer(CURLM *multi, long timeout_ms, void *context);
static size_t on_body(char *data, size_t size, size_t n, void *context);
static void set_common_options(PgtsdbTransfer *transfer);
static void advance(PgtsdbTransfers *loop, curl_socket_t socket, int what);
static void advance_sockets(PgtsdbTransfers *loop);
static void finish(PgtsdbTransfer *transfer, CURLcode code);
static long connection_limit(void);

static void
block_signals(sigset_t *before)
{
	sigset_t	all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

static void
restore_signals(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

PgtsdbTransfers *
pgtsdb_transfers_create(void)
{
	PgtsdbTransfers *loop = MemoryContextAllocZero(TopMemoryContext, sizeof(PgtsdbTransfers));	/* as long as the process */
	sigset_t	signals;
	bool		ready;
	long		limit;

	if (!AcquireExternalFD())
		ereport(FATAL,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("too many open files")));
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		ereport(FATAL,
				(errcode_for_socket_access(),
				 errmsg("epoll_create1 failed: %m")));

	loop->events = CreateWaitEventSet_compat(3);
	AddWaitEventToSet(loop->events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(loop->events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(loop->events, WL_SOCKET_READABLE, loop->epoll_fd, NULL, NULL);

	block_signals(&signals);
	ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && (loop->multi = curl_multi_init()) != NULL;
	restore_signals(&signals);
	if (!ready)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("libcurl could not be started")));

	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
	limit = connection_limit();
	curl_multi_setopt(loop->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, limit);
	curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, limit);
	return loop;
}

static long
connection_limit(void)
{
	struct rlimit files;
	rlim_t		wanted = 2 * MAX_CONNECTIONS;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return MAX_CONNECTIONS;
	if (files.rlim_cur < wanted)
	{
		struct rlimit more = files;

		more.rlim_cur = Min(files.rlim_max, wanted);
		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			files = more;
	}
	return (long) Min(files.rlim_cur / 2, MAX_CONNECTIONS);
}

/* ---- one exchange ---- */

PgtsdbTransfer *
pgtsdb_transfer_create(PgtsdbTransfers *loop, void *owner)
{
	PgtsdbTransfer *transfer = calloc(1, sizeof(PgtsdbTransfer));

	if (transfer == NULL)
		return NULL;
	transfer->loop = loop;
	transfer->owner = owner;
	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL)
	{
		free(transfer);
		return NULL;
	}
	set_common_options(transfer);
	return transfer;
}

static void
set_common_options(PgtsdbTransfer *transfer)
{
	CURL	   *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* a name server that does not answer must not hold up the end of the exchange */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long) MAX_REDIRECTS);
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	/* the environment of whoever started the server decides nothing here */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

void
pgtsdb_transfer_authenticate(PgtsdbTransfer *transfer, const char *user, const char *password, const char *token)
{
	CURL	   *easy = transfer->easy;

	if (token != NULL)
	{
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long) CURLAUTH_BEARER);
		curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, token);
	}
	else if (user != NULL)
	{
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long) CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, password != NULL ? password : "");
	}
}

void
pgtsdb_transfer_drop_body(PgtsdbTransfer *transfer)
{
	free(transfer->body);
	transfer->body = NULL;
	transfer->len = transfer->capacity = 0;
}

void
pgtsdb_transfer_destroy(PgtsdbTransfer *transfer)
{
	sigset_t	signals;

	block_signals(&signals);
	if (transfer->running)
		curl_multi_remove_handle(transfer->loop->multi, transfer->easy);
	curl_easy_cleanup(transfer->easy);
	restore_signals(&signals);
	free(transfer->body);
	free(transfer);
}

bool
pgtsdb_transfer_start(PgtsdbTransfer *transfer, int64 timeout_ms)
{
	sigset_t	signals;

	Assert(!transfer->running);
	transfer->error[0] = transfer->curl_error[0] = transfer->content_type[0] = '\0';
	transfer->status = 0;
	transfer->len = 0;
	transfer->retry_after_ms = 0;
	transfer->seconds = 0;
	transfer->too_large = false;
	curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long) timeout_ms);
	curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, (long) timeout_ms);

	block_signals(&signals);
	transfer->running = curl_multi_add_handle(transfer->loop->multi, transfer->easy) == CURLM_OK;
	restore_signals(&signals);
	return transfer->running;
}

/* Called by libcurl: nothing here may raise an error. */
static size_t
on_body(char *data, size_t size, size_t n, void *context)
{
	PgtsdbTransfer *transfer = context;
	Size		bytes = size * n;

	if (transfer->max_bytes > 0 && bytes > transfer->max_bytes - transfer->len)
	{
		transfer->too_large = true;
		return 0;
	}
	if (bytes > transfer->capacity - transfer->len)
	{
		Size		capacity = Max(transfer->capacity * 2, transfer->len + bytes);
		char	   *larger = realloc(transfer->body, capacity);

		if (larger == NULL)
			return 0;
		transfer->body = larger;
		transfer->capacity = capacity;
	}
	memcpy(transfer->body + transfer->len, data, bytes);
	transfer->len += bytes;
	return bytes;
}

static void
finish(PgtsdbTransfer *transfer, CURLcode code)
{
	CURL	   *easy = transfer->easy;
	char	   *content_type = NULL;
	curl_off_t	seconds = 0;
	curl_off_t	microseconds = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &transfer->status);
	curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &content_type);
	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
	curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &microseconds);
	strlcpy(transfer->content_type, content_type != NULL ? content_type : "", sizeof(transfer->content_type));
	transfer->retry_after_ms = (int64) Min(seconds, 24 * 3600) * 1000;
	transfer->seconds = (double) microseconds / 1e6;

	if (transfer->too_large)
		snprintf(transfer->error, sizeof(transfer->error), "body is larger than %zu bytes", transfer->max_bytes);
	else if (code != CURLE_OK)
		snprintf(transfer->error, sizeof(transfer->error), "%.*s", PGTSDB_TRANSFER_ERROR_MAX - 1,
				 transfer->curl_error[0] != '\0' ? transfer->curl_error : curl_easy_strerror(code));
}

/* What RFC 3986 leaves unreserved stays, the rest is percent-encoded. */
void
pgtsdb_append_url_encoded(StringInfo url, const char *text, int len)
{
	for (int i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("-_.~", c)))
			appendStringInfoChar(url, (char) c);
		else
			appendStringInfo(url, "%%%02X", c);
	}
}

/* ---- the loop ---- */

/* Called by libcurl: which socket it waits for.  `known` is what curl_multi_assign() left there. */
static int
on_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *known)
{
	PgtsdbTransfers *loop = context;
	struct epoll_event event = {.data.fd = socket};

	if (what == CURL_POLL_REMOVE)
	{
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, socket, NULL);
		curl_multi_assign(loop->multi, socket, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(loop->epoll_fd, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event) != 0)
		return -1;
	if (known == NULL)
		curl_multi_assign(loop->multi, socket, loop);
	return 0;
}

/* Called by libcurl: when it wants to be called although no socket has news. */
static int
on_timer(CURLM *multi, long timeout_ms, void *context)
{
	PgtsdbTransfers *loop = context;

	loop->timer = timeout_ms < 0 ? 0 : TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	return 0;
}

static void
advance(PgtsdbTransfers *loop, curl_socket_t socket, int what)
{
	int			running;

	curl_multi_socket_action(loop->multi, socket, what, &running);
}

static void
advance_sockets(PgtsdbTransfers *loop)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int			n = epoll_wait(loop->epoll_fd, events, lengthof(events), 0);

	for (int i = 0; i < n; i++)
	{
		int			what = 0;

		if (events[i].events & EPOLLIN)
			what |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			what |= CURL_CSELECT_OUT;
		if (events[i].events & (EPOLLERR | EPOLLHUP))
			what |= CURL_CSELECT_ERR;
		advance(loop, events[i].data.fd, what);
	}
}

bool
pgtsdb_transfers_wait(PgtsdbTransfers *loop, long timeout_ms)
{
	long		pause = Max(0, Min(timeout_ms, PGTSDB_WORKER_BEAT_MS));
	uint32		happened = 0;
	WaitEvent	events[3];
	int			n;
	sigset_t	signals;

	if (loop->timer != 0)
		pause = Min(pause, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), loop->timer));
	n = WaitEventSetWait(loop->events, pause, events, lengthof(events), PG_WAIT_EXTENSION);
	for (int i = 0; i < n; i++)
		happened |= events[i].events;
	if (happened & WL_LATCH_SET)
		ResetLatch(MyLatch);

	block_signals(&signals);
	if (happened & WL_SOCKET_READABLE)
		advance_sockets(loop);
	if (loop->timer != 0 && loop->timer <= GetCurrentTimestamp())
	{
		loop->timer = 0;
		advance(loop, CURL_SOCKET_TIMEOUT, 0);
	}
	restore_signals(&signals);
	return (happened & WL_LATCH_SET) != 0;
}

PgtsdbTransfer *
pgtsdb_transfers_next(PgtsdbTransfers *loop)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(loop->multi, &left)) != NULL)
	{
		PgtsdbTransfer *transfer = NULL;
		CURLcode	code = message->data.result;
		sigset_t	signals;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &transfer);
		/* the message is gone once its handle is removed */
		block_signals(&signals);
		curl_multi_remove_handle(loop->multi, transfer->easy);
		restore_signals(&signals);
		transfer->running = false;
		finish(transfer, code);
		return transfer;
	}
	return NULL;
}

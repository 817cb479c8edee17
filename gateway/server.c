/*
 * server.c
 *		Connections of clients: libmicrohttpd, and a watch over those that are slow.
 *
 * libmicrohttpd knows a limit for silence only; a client that sends a byte now and then would keep
 * its connection for ever.  So each connection has a phase, each phase its time, and a thread that looks
 * several times a second shuts down the sockets of those that take longer.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/gateway.h"

#define BACKLOG 1024
#define WATCH_US 200000
#define BIND_TRIES 15

typedef enum Phase
{
	IDLE,						/* between requests, or within the headers of one */
	RECEIVING,
	WORKING,					/* the database is asked, under limits of its own */
	ANSWERING
} Phase;

typedef struct Client
{
	int			socket;
	Phase		phase;
	int64_t		since;
	struct Client *previous;
	struct Client *next;
} Client;

volatile bool gw_stopping;

static struct MHD_Daemon *server;
static pthread_t watcher;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* of the next three */
static Client *clients;
static int	n_requests;			/* begun and not yet answered */
static bool draining;
static bool watching = true;
static int64_t memory;

static int	listen_on(const char *where);
static int	bind_first(struct addrinfo *addresses);
static void split_address(const char *where, char *host, size_t host_size, char *port, size_t port_size);
static char *read_file(const char *path);
static void *watch(void *arg);
static void take_log(void *arg, const char *format, va_list args);
static void *take_uri(void *arg, const char *uri, struct MHD_Connection *connection);
static void take_connection(void *arg, struct MHD_Connection *connection, void **client,
							enum MHD_ConnectionNotificationCode what);
static enum MHD_Result take_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
									const char *version, const char *upload, size_t *upload_size, void **request);
static void take_end(void *arg, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode why);
static bool dispatch(GwRequest *request);
static enum MHD_Result send_answer(GwRequest *request);
static void enter_phase(struct MHD_Connection *connection, Phase phase);
static bool wait_for_requests(int timeout_ms);

/* ---- start and stop ---- */

void
gw_server_start(void)
{
	bool		tls = *gw_options.tls_cert != '\0';
	struct MHD_OptionItem options[] = {
		{MHD_OPTION_EXTERNAL_LOGGER, (intptr_t) take_log, NULL},
		{MHD_OPTION_LISTEN_SOCKET, listen_on(gw_options.listen), NULL},
		{MHD_OPTION_THREAD_POOL_SIZE, gw_options.io_threads, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, gw_options.max_connections, NULL},
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t) gw_options.max_header, NULL},
		{MHD_OPTION_NOTIFY_CONNECTION, (intptr_t) take_connection, NULL},
		{MHD_OPTION_NOTIFY_COMPLETED, (intptr_t) take_end, NULL},
		{MHD_OPTION_URI_LOG_CALLBACK, (intptr_t) take_uri, NULL},
		{tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, tls ? read_file(gw_options.tls_cert) : NULL},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, tls ? read_file(gw_options.tls_key) : NULL},
		{MHD_OPTION_END, 0, NULL}
	};

	if (tls && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
	{
		gw_log("this libmicrohttpd has no TLS: put a proxy in front that has");
		exit(2);
	}
	server = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
							  (tls ? MHD_USE_TLS : 0), 0, NULL, NULL, take_request, NULL,
							  MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (server == NULL || pthread_create(&watcher, NULL, watch, NULL) != 0)
	{
		gw_log("could not start the server");
		exit(1);
	}
	gw_log("listening on %s%s", gw_options.listen, tls ? " with TLS" : "");
}

static int
listen_on(const char *where)
{
	char		host[256];
	char		port[32];
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *addresses;
	int			problem;
	int			socket;

	split_address(where, host, sizeof(host), port, sizeof(port));
	if (*host == '\0')
		hints.ai_family = AF_INET6;	/* a socket that takes both */
	problem = getaddrinfo(*host != '\0' ? host : NULL, port, &hints, &addresses);
	if (problem != 0)
	{
		gw_log("could not listen on \"%s\": %s", where, gai_strerror(problem));
		exit(2);
	}
	socket = bind_first(addresses);
	/* the gateway before this one may be just about to end */
	for (int i = 0; socket < 0 && errno == EADDRINUSE && i < BIND_TRIES; i++)
	{
		usleep(WATCH_US);
		socket = bind_first(addresses);
	}
	if (socket < 0)
	{
		gw_log("could not listen on \"%s\": %s", where, strerror(errno));
		exit(1);
	}
	freeaddrinfo(addresses);
	return socket;
}

static void
split_address(const char *where, char *host, size_t host_size, char *port, size_t port_size)
{
	const char *colon = strrchr(where, ':');
	const char *start = where;
	const char *end = colon;

	if (colon == NULL || strlen(colon + 1) >= port_size || (size_t) (colon - where) >= host_size)
	{
		gw_log("could not listen on \"%s\": not host:port", where);
		exit(2);
	}
	if (*start == '[' && end > start && end[-1] == ']')
	{
		start++;
		end--;
	}
	snprintf(host, host_size, "%.*s", (int) (end - start), start);
	snprintf(port, port_size, "%s", colon + 1);
}

static int
bind_first(struct addrinfo *addresses)
{
	for (struct addrinfo *address = addresses; address != NULL; address = address->ai_next)
	{
		int			yes = 1;
		int			no = 0;
		int			problem;
		int			fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);

		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		if (address->ai_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
		if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
			return fd;
		problem = errno;
		close(fd);
		errno = problem;
	}
	return -1;
}

static char *
read_file(const char *path)
{
	GwBuffer	content = {0};
	char		part[4096];
	size_t		n;
	FILE	   *file = fopen(path, "r");

	if (file == NULL)
	{
		gw_log("could not open \"%s\": %s", path, strerror(errno));
		exit(2);
	}
	while ((n = fread(part, 1, sizeof(part), file)) > 0)
		gw_buffer_append(&content, part, n);
	fclose(file);
	return content.data;
}

/*
 * No new connections; what runs may end, and what does not end in time is cancelled.  The port is free at
 * once, so that the next gateway can start.
 */
void
gw_server_stop(void)
{
	int			socket = MHD_quiesce_daemon(server);

	if (socket >= 0)
		close(socket);
	pthread_mutex_lock(&lock);
	draining = true;
	pthread_mutex_unlock(&lock);
	if (!wait_for_requests(gw_options.stop_timeout))
	{
		gw_log("cancelling what still runs");
		gw_stopping = true;
	}
	gw_pool_stop(gw_writes);
	gw_pool_stop(gw_reads);
	gw_pool_stop(gw_metrics);
	wait_for_requests(1000);
	__atomic_store_n(&watching, false, __ATOMIC_RELAXED);
	pthread_join(watcher, NULL);
	MHD_stop_daemon(server);
}

static bool
wait_for_requests(int timeout_ms)
{
	int64_t		deadline = gw_now() + timeout_ms;

	for (;;)
	{
		bool		none;

		pthread_mutex_lock(&lock);
		none = n_requests == 0;
		pthread_mutex_unlock(&lock);
		if (none || gw_now() >= deadline)
			return none;
		usleep(10000);
	}
}

/* ---- slow clients ---- */

static void *
watch(void *arg)
{
	const int64_t limits[] = {
		[IDLE] = gw_options.idle_timeout,
		[RECEIVING] = gw_options.request_timeout,
		[WORKING] = INT64_MAX,
		[ANSWERING] = gw_options.response_timeout
	};

	while (__atomic_load_n(&watching, __ATOMIC_RELAXED))
	{
		int64_t		now = gw_now();

		pthread_mutex_lock(&lock);
		for (Client *client = clients; client != NULL; client = client->next)
			if (now - client->since > limits[client->phase])
				shutdown(client->socket, SHUT_RDWR);
		pthread_mutex_unlock(&lock);
		usleep(WATCH_US);
	}
	return NULL;
}

/* The socket of a client that is in the list is open: the server closes it behind this call. */
static void
take_connection(void *arg, struct MHD_Connection *connection, void **slot, enum MHD_ConnectionNotificationCode what)
{
	Client	   *client = *slot;

	pthread_mutex_lock(&lock);
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
	{
		client = *slot = gw_alloc(sizeof(Client));
		client->socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		client->since = gw_now();
		client->next = clients;
		if (clients != NULL)
			clients->previous = client;
		clients = client;
	}
	else
	{
		*(client->previous != NULL ? &client->previous->next : &clients) = client->next;
		if (client->next != NULL)
			client->next->previous = client->previous;
		free(client);
		*slot = NULL;
	}
	pthread_mutex_unlock(&lock);
	gw_count_connection(what == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1);
}

static void
enter_phase(struct MHD_Connection *connection, Phase phase)
{
	Client	   *client = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;

	pthread_mutex_lock(&lock);
	if (client->phase == IDLE && phase != IDLE)
		n_requests++;
	else if (client->phase != IDLE && phase == IDLE)
		n_requests--;
	client->phase = phase;
	client->since = gw_now();
	pthread_mutex_unlock(&lock);
}

/* ---- requests ---- */

static void
take_log(void *arg, const char *format, va_list args)
{
	static time_t last;
	char		message[512];

	vsnprintf(message, sizeof(message), format, args);
	message[strcspn(message, "\n")] = '\0';
	gw_log_seldom(&last, "%s", message);
}

/* The first that is known of a request.  What this returns is its handle in all calls below. */
static void *
take_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
	return gw_request_create(connection, uri);
}

/* Called with the headers, with each part of the body, behind it, and when a worker has resumed the connection. */
static enum MHD_Result
take_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
			 const char *version, const char *upload, size_t *upload_size, void **handle)
{
	GwRequest  *request = *handle;

	if (!request->begun)
	{
		enter_phase(connection, RECEIVING);
		gw_request_begin(request, method);
		/* nobody shall send a body that is too long; other answers wait for its end, so that they can be read */
		return request->status == MHD_HTTP_CONTENT_TOO_LARGE ? send_answer(request) : MHD_YES;
	}
	if (*upload_size > 0)
	{
		bool		taken = gw_request_take_body(request, upload, *upload_size);

		gw_count_bytes((int64_t) *upload_size, 0);
		*upload_size = 0;
		return taken ? MHD_YES : MHD_NO;
	}
	if (!request->complete && !dispatch(request))
		return MHD_YES;
	return request->response != NULL ? send_answer(request) : MHD_YES;
}

/* False: it has been given to a worker, and may be looked at again when that has resumed the connection. */
static bool
dispatch(GwRequest *request)
{
	static GwPool **const pools[] = {[GW_LOCAL] = NULL, [GW_READS] = &gw_reads, [GW_WRITES] = &gw_writes, [GW_METRICS] = &gw_metrics};

	gw_request_complete(request);
	if (request->status != 0)
		return true;
	enter_phase(request->connection, WORKING);
	if (pools[request->route->runs_on] != NULL && gw_pool_submit(*pools[request->route->runs_on], request))
		return false;
	if (request->status == 0)
		request->route->handle(request, NULL);
	return true;
}

static enum MHD_Result
send_answer(GwRequest *request)
{
	bool		last;
	enum MHD_Result result;

	pthread_mutex_lock(&lock);
	last = draining;
	pthread_mutex_unlock(&lock);
	if (last)
		MHD_add_response_header(request->response, MHD_HTTP_HEADER_CONNECTION, "close");
	enter_phase(request->connection, ANSWERING);
	result = MHD_queue_response(request->connection, request->status, request->response);
	MHD_destroy_response(request->response);
	request->response = NULL;
	return result;
}

static void
take_end(void *arg, struct MHD_Connection *connection, void **handle, enum MHD_RequestTerminationCode why)
{
	GwRequest  *request = *handle;

	if (request == NULL)
		return;
	if (request->begun)
	{
		gw_count_request(request->route, request->status != 0 ? request->status : 499, gw_now() - request->received);
		enter_phase(connection, IDLE);
	}
	gw_request_free(request);
	*handle = NULL;
}

/* ---- memory of bodies ---- */

bool
gw_reserve_memory(int64_t bytes)
{
	if (__atomic_add_fetch(&memory, bytes, __ATOMIC_RELAXED) <= gw_options.max_memory)
		return true;
	gw_release_memory(bytes);
	return false;
}

void
gw_release_memory(int64_t bytes)
{
	__atomic_sub_fetch(&memory, bytes, __ATOMIC_RELAXED);
}

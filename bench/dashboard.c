/*
 * dashboard.c
 *		The queries of dashboards, about the metrics of fleet.c.
 */
#include <stdlib.h>
#include <string.h>

#include "dashboard.h"

#define HOST "instance=\"host-000007.ap-south-1.example.net:9100\""
/* 25 hosts of 4 cpus: 100 series of a mode */
#define HOSTS_25 "instance=~\"host-0000([01][0-9]|2[0-4])[.].*\""
#define BY_REGEX "{__name__=~\"node_(network|disk).*_total\",instance=~\"host-000[0-9]{2}[05][.].*\"}"
#define REQUESTS "http_request_duration_seconds"

enum
{
	SECOND = 1,
	MINUTE = 60 * SECOND,
	HOUR = 60 * MINUTE
};

/* Names begin with the window; by_mode and the like read all 12,800 series of node_cpu_seconds_total, if there are 400 hosts. */
const Query dashboard[] = {
	{"now_gauge", "instant", 0, 0, "node_load1{" HOST "}"},
	{"now_rate", "instant", 0, 0, "rate(node_network_receive_bytes_total{" HOST ",device=\"eth0\"}[5m])"},
	{"now_rate_100", "instant", 0, 0, "rate(node_cpu_seconds_total{mode=\"user\"," HOSTS_25 "}[5m])"},
	{"now_by_mode", "instant", 0, 0, "sum by (region, mode) (rate(node_cpu_seconds_total[5m]))"},
	{"now_topk", "instant", 0, 0, "topk(10, rate(" REQUESTS "_count[5m]))"},
	{"now_count_by", "instant", 0, 0, "count by (release) (node_uname_info)"},
	{"now_quantile", "instant", 0, 0, "quantile by (cluster) (0.9, node_load1)"},
	{"now_predict", "instant", 0, 0, "predict_linear(node_filesystem_avail_bytes{mountpoint=\"/\"}[1h], 86400)"},

	{"1h_gauge", "single", HOUR, 15, "node_load1{" HOST "}"},
	{"24h_gauge", "single", 24 * HOUR, 4 * MINUTE, "node_load1{" HOST "}"},
	{"1h_rate", "single", HOUR, 15, "rate(node_network_receive_bytes_total{" HOST ",device=\"eth0\"}[5m])"},
	{"24h_rate", "single", 24 * HOUR, 4 * MINUTE, "rate(node_network_receive_bytes_total{" HOST ",device=\"eth0\"}[5m])"},

	{"1h_rate_100", "rate100", HOUR, 15, "rate(node_cpu_seconds_total{mode=\"user\"," HOSTS_25 "}[5m])"},
	{"6h_rate_100", "rate100", 6 * HOUR, MINUTE, "rate(node_cpu_seconds_total{mode=\"user\"," HOSTS_25 "}[5m])"},
	{"24h_rate_100", "rate100", 24 * HOUR, 5 * MINUTE, "rate(node_cpu_seconds_total{mode=\"user\"," HOSTS_25 "}[5m])"},

	{"1h_by_mode", "rate10k", HOUR, MINUTE, "sum by (mode) (rate(node_cpu_seconds_total[5m]))"},
	{"24h_by_cluster", "rate10k", 24 * HOUR, 10 * MINUTE, "sum by (cluster) (rate(node_cpu_seconds_total{mode!=\"idle\"}[5m]))"},

	{"1h_busy", "aggregate", HOUR, 30, "1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))"},
	{"6h_sum_by", "aggregate", 6 * HOUR, 2 * MINUTE, "sum by (region, device) (rate(node_disk_written_bytes_total[5m]))"},
	{"24h_max_by", "aggregate", 24 * HOUR, 10 * MINUTE,
	"max by (cluster) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)"},
	{"6h_topk", "aggregate", 6 * HOUR, 2 * MINUTE, "topk(5, sum by (instance) (rate(node_network_receive_bytes_total[5m])))"},

	{"now_p90_each", "histogram", 0, 0, "histogram_quantile(0.9, rate(" REQUESTS "_bucket[5m]))"},
	{"1h_p99", "histogram", HOUR, 30,
	"histogram_quantile(0.99, sum by (le) (rate(" REQUESTS "_bucket{handler=\"/api/v1/resource1\"}[5m])))"},
	{"6h_p95_by", "histogram", 6 * HOUR, 2 * MINUTE,
	"histogram_quantile(0.95, sum by (le, handler, cluster) (rate(" REQUESTS "_bucket[5m])))"},

	{"1h_on", "join", HOUR, MINUTE, "node_filesystem_avail_bytes / on (instance, mountpoint) node_filesystem_size_bytes"},
	{"1h_group_left", "join", HOUR, MINUTE, "sum by (release) (rate(node_cpu_seconds_total{mode=\"user\"}[5m])"
	" * on (instance) group_left (release) node_uname_info)"},

	{"6h_max_of_sum", "subquery", 6 * HOUR, 5 * MINUTE,
	"max_over_time(sum(rate(" REQUESTS "_count{handler=\"/api/v1/resource1\"}[5m]))[1h:1m])"},
	{"24h_avg_1h", "subquery", 24 * HOUR, 10 * MINUTE, "avg_over_time(node_load1[1h])"},

	{"now_regex", "regex", 0, 0, "count by (__name__) (" BY_REGEX ")"},
	{"1h_regex", "regex", HOUR, MINUTE, "count by (job) (" BY_REGEX ")"},
};

const size_t dashboard_size = sizeof(dashboard) / sizeof(dashboard[0]);

_Static_assert(sizeof(dashboard) / sizeof(dashboard[0]) <= DASHBOARD_MAX, "DASHBOARD_MAX is too small");

/* `only`: names and groups, separated by commas; NULL wants all. */
bool
dashboard_wanted(const Query *query, const char *only)
{
	char	   *names;
	char	   *rest;
	bool		found = only == NULL;

	if (found)
		return true;
	names = strdup(only);
	for (char *name = strtok_r(names, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
		found = found || strcmp(name, query->name) == 0 || strcmp(name, query->group) == 0;
	free(names);
	return found;
}

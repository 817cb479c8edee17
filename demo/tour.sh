# tour.sh: what the demo shows on its running system; read by demo.sh.

# burn SECONDS: keeps one core half busy, so that there is something to see.
burn() {
    as_user timeout "$1" perl -e 'use Time::HiRes qw(time sleep); while (1) { my $t = time + 0.6; 1 while time < $t; sleep 0.4 }' || true
}

tour_extension() {
    step "4. the extension"
    show 'CREATE EXTENSION IF NOT EXISTS pgtsdb'
    wait_for 60 "all workers" "SELECT count(*) >= 6 FROM tsdb.worker_status WHERE pid IS NOT NULL"
    show "SELECT worker, database, pid, state FROM tsdb.worker_status ORDER BY worker"
}

tour_scraping() {
    step "5. scraping: a row is a target"
    show "INSERT INTO tsdb.scrape_targets (job_name, scheme, address, scrape_interval)
VALUES ('node',     'http',     '127.0.0.1:$node_port', '1 second'),
       ('postgres', 'postgres', 'self',            '1 second')
ON CONFLICT DO NOTHING"
    wait_for 60 "samples of both" "SELECT count(*) = 2 FROM tsdb.promql('up == 1')"
    show "SELECT job_name, address, health, samples FROM tsdb.targets ORDER BY job_name"
}

tour_promql() {
    step "6. PromQL"
    say "  half of a core is kept busy for ten seconds ..."
    sleep 3
    burn 10
    sleep 2
    show "SELECT labels, round(value::numeric, 3) AS cores
  FROM tsdb.promql('sum by (mode) (rate(node_cpu_seconds_total[10s]))') ORDER BY value DESC LIMIT 4"
    plot --chart 'sum(rate(node_cpu_seconds_total{mode!="idle"}[3s]))' 60 "''"
    say
    plot 'sum by (mode) (rate(node_cpu_seconds_total{mode=~"user|system|iowait"}[3s]))' 60 "(labels->>'mode')"
    say
    plot 'rate(pg_stat_database_xact_commit{datname="postgres"}[5s])' 60 "'commits'"
    plot 'rate(pg_stat_wal_wal_bytes[5s])' 60 "'WAL bytes'"
}

# gateway_roles: who the gateway is, and who comes without credentials.
gateway_roles() {
    sql "DO \$\$ BEGIN
           CREATE ROLE pgtsdb_gateway LOGIN PASSWORD '$(cat "$work/password")';
         EXCEPTION WHEN duplicate_object THEN NULL; END \$\$"
    show "DO 'BEGIN CREATE ROLE agent; EXCEPTION WHEN duplicate_object THEN NULL; END'"
    show "GRANT agent TO pgtsdb_gateway"
    show "INSERT INTO tsdb.tenant_members (role_name, tenant_id, may_write) VALUES ('agent', 'default', true)
ON CONFLICT DO NOTHING"
    show "GRANT EXECUTE ON FUNCTION tsdb.remote_write, tsdb.remote_write_v2, tsdb.push TO agent"
}

tour_http() {
    step "7. HTTP: a Prometheus for Grafana"
    gateway_roles
    say "  http://127.0.0.1:$http_port/api/v1/query?query=up"
    perl -MHTTP::Tiny -e 'my $answer; for (1 .. 100) { $answer = HTTP::Tiny->new->get($ARGV[0]); last if $answer->{success};
        select undef, undef, undef, 0.1 } die "$answer->{status}\n" unless $answer->{success}; print "    $answer->{content}\n"' \
        "http://127.0.0.1:$http_port/api/v1/query?query=up"
    say "  and it tells of itself, for the dashboard of pgtsdb:"
    show "INSERT INTO tsdb.scrape_targets (job_name, address, scrape_interval) VALUES ('pgtsdb', '127.0.0.1:$http_port', '5 seconds')
ON CONFLICT DO NOTHING"
    grafana_role
}

# grafana_role: the role of Grafana's PostgreSQL data source, with the password of the demo.
grafana_role() {
    sql "DO \$\$ BEGIN
           CREATE ROLE grafana LOGIN PASSWORD '$(cat "$work/password")';
         EXCEPTION WHEN duplicate_object THEN NULL; END \$\$;
         ALTER ROLE grafana SET search_path = public, tsdb;
         ALTER ROLE grafana SET default_transaction_read_only = on;
         INSERT INTO tsdb.tenant_members (role_name, tenant_id) VALUES ('grafana', 'default') ON CONFLICT DO NOTHING"
}

notifications() { wc -l < "$work/log/notifications"; }

# notification N STATUS: waits for a message beyond the N that were there, of that status, and prints it.
notification() {
    local deadline=$((SECONDS + 60)) line
    printf '  waiting for the notification '
    until line=$(tail -n "+$(($1 + 1))" "$work/log/notifications" | grep -m1 "\"status\": *\"$2\""); do
        [ $SECONDS -lt $deadline ] || { say; fail "no notification within 60 s; the server's log: $work/log/postgres.log"; }
        printf .
        sleep 0.5
    done
    say ' there'
    perl -MJSON::PP -0777 -ne 'my $j = JSON::PP->new->pretty->canonical; print $j->encode($j->decode($_))' <<<"$line" | sed 's/^/    /'
}

# alert_states: how the demo's alert went, as the event log has it.
alert_states() {
    show "SELECT to_char(at, 'HH24:MI:SS') AS at, labels->>'instance' AS instance, previous_state, new_state
  FROM tsdb.alert_events WHERE rule_name = 'ExporterDown' ORDER BY event_id DESC LIMIT $1"
}

tour_alert() {
    local known
    step "8. an alert: a row is a rule"
    show "INSERT INTO tsdb.receivers (receiver_name, webhook_url) VALUES ('demo', 'http://127.0.0.1:$hook_port/')
ON CONFLICT DO NOTHING"
    show "INSERT INTO tsdb.routes (receiver_name, group_wait, group_interval) VALUES ('demo', '1 second', '3 seconds')
ON CONFLICT DO NOTHING"
    show "INSERT INTO tsdb.alert_rules (rule_name, promql_expression, for_duration, evaluation_interval, severity, annotations)
SELECT 'ExporterDown', 'up{job=\"node\"} == 0', '5 seconds', '1 second', 'page',
       '{\"summary\": \"{{ \$labels.instance }} does not answer\"}'
 WHERE NOT EXISTS (SELECT FROM tsdb.alert_rules WHERE rule_name = 'ExporterDown')"
    known=$(notifications)
    say "  now the node exporter is stopped ..."
    terminate node
    wait_for 60 "pending" "SELECT EXISTS (SELECT FROM tsdb.promql('ALERTS{alertname=\"ExporterDown\",alertstate=\"pending\"}'))"
    show "SELECT labels->>'alertname' AS alert, labels->>'alertstate' AS state, value FROM tsdb.promql('ALERTS')"
    wait_for 60 "firing" "SELECT EXISTS (SELECT FROM tsdb.promql('ALERTS{alertname=\"ExporterDown\",alertstate=\"firing\"}'))"
    notification "$known" firing
    say "  and started again ..."
    known=$(notifications)
    start_exporter
    notification "$known" resolved | head -12
    alert_states 3
}

tour_end() {
    step "9. it goes on running"
    cat <<END
  psql "$(demo_uri)"

  SELECT * FROM tsdb.promql('up');
  SELECT * FROM tsdb.promql('rate(node_disk_written_bytes_total[1m])', now() - interval '5 min', now(), '15 s');
  SELECT tsdb.api_query('topk(3, node_filesystem_avail_bytes)', now());
  SELECT * FROM tsdb.worker_status;

  http://127.0.0.1:$http_port is a Prometheus: for Grafana's data source, for remote_write, for promtool.
  Where there is docker, a Grafana with dashboards of the host and of pgtsdb, on http://127.0.0.1:3000/dashboards:

  docker run --rm --network host -e GF_SERVER_HTTP_ADDR=127.0.0.1 \\
    -e GF_AUTH_ANONYMOUS_ENABLED=true -e GF_AUTH_ANONYMOUS_ORG_ROLE=Admin -e PGTSDB_URL=http://127.0.0.1:$http_port \\
    -e PGTSDB_HOST=127.0.0.1:$pg_port -e PGTSDB_DATABASE=postgres -e PGTSDB_PASSWORD=$(cat "$work/password") \\
    -v "$top/docs/grafana/provisioning/datasources:/etc/grafana/provisioning/datasources:ro" \\
    -v "$top/docs/grafana/provisioning/dashboards:/etc/grafana/provisioning/dashboards:ro" \\
    -v "$top/docs/grafana/dashboards:/var/lib/grafana/dashboards:ro" grafana/grafana

  Notifications: $work/log/notifications      Server log: $work/log/postgres.log
  'make demo' again shows the same on the running system; 'make demo-stop' ends it and removes all of it.
END
}

tour() {
    tour_extension
    tour_scraping
    tour_promql
    tour_http
    tour_alert
    tour_end
}

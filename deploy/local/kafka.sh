# SPDX-License-Identifier: Apache-2.0
# Apache Kafka in KRaft mode from Maven's jars: fetch them once, lay out a node, start it.
#
# Every node is broker and controller in one process, bound to 127.0.0.1. The settings are those of a test machine:
# small heap, few internal partitions, no waiting for a first rebalance, no topics out of thin air.
# Sourced by up, after stack.sh. Uses stack_dir, nodes, cluster_id and the ports chosen there.

kafka_pom=$root/deploy/local/kafka/pom.xml

# kafka_jars MINOR: puts the jars into .build/kafka/MINOR/lib unless they are there, from this very pom.
kafka_jars() {
    local home=$root/.build/kafka/$1 wanted
    wanted=$(cksum <"$kafka_pom")
    mkdir -p "$home"
    exec 8>"$home/lock"
    flock 8
    if [ "$(cat "$home/complete" 2>/dev/null)" != "$wanted" ]; then
        kafka_java_or_die
        command -v mvn >/dev/null || die "Maven is missing and has to fetch Kafka $1 once: deploy/setup run, or up --mock"
        say "kafka     fetching the jars of $1 (once, about 50 MB)"
        rm -rf "$home/lib" "$home/complete"
        # copied into a folder of its own: nothing is written beside the pom
        if ! mvn -B -q -ntp -Dstyle.color=never -f "$kafka_pom" -P "$1" -DincludeScope=runtime \
            -DoutputDirectory="$home/lib" dependency:copy-dependencies 8>&- 9>&- >"$home/maven.log" 2>&1; then
            grep -v '^\[INFO\]' "$home/maven.log" | head -n 8 >&2
            die "Maven could not fetch Kafka $1 (all of it: $home/maven.log); without a network: up --mock"
        fi
        printf '%s\n' "$wanted" >"$home/complete"
    fi
    exec 8>&-
}

kafka_java_or_die() {
    local release
    command -v java >/dev/null || die "Java is missing: deploy/setup run, or up --mock"
    release=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
    [ "${release:-0}" -ge 17 ] || die "Java 17 or newer is needed, this is ${release:-unknown}"
}

kafka_folder() { printf '%s/kafka-%s/node-%s\n' "$stack_dir" "$kafka_minor" "$1"; }

kafka_voters() { # "1@127.0.0.1:20001,2@…"
    local id list=
    for id in $(seq "$nodes"); do
        list=$list${list:+,}$id@127.0.0.1:${controller_ports[$id]}
    done
    printf '%s\n' "$list"
}

kafka_properties() { # ID
    local id=$1 broker=${broker_ports[$1]} controller=${controller_ports[$1]} in_sync=1
    [ "$nodes" -lt 3 ] || in_sync=2
    cat <<END
process.roles=broker,controller
node.id=$id
controller.quorum.voters=$(kafka_voters)
listeners=PLAINTEXT://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$broker
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$(kafka_folder "$id" | sed 's/\\/\\\\/g')/data

auto.create.topics.enable=false
default.replication.factor=$nodes
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$nodes
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=$nodes
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=3
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=2097152
log.index.size.max.bytes=1048576
file.delete.delay.ms=1000
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
END
    if [ "$kafka_minor" != 3.9 ]; then
        cat <<END
share.coordinator.state.topic.replication.factor=$nodes
share.coordinator.state.topic.min.isr=$in_sync
END
    fi
}

# kafka_java MEMORY CLASS ARGUMENT…: as a command line in the array `java`.
kafka_java() {
    local logging=-Dlog4j.configuration=file:
    local config=$root/deploy/local/kafka/log4j.properties
    if [ "$kafka_minor" != 3.9 ]; then
        logging=-Dlog4j2.configurationFile=
        config=$root/deploy/local/kafka/log4j2.properties
    fi
    # shellcheck disable=SC2206
    java=(java $1 -XX:+UseSerialGC -XX:-UsePerfData -Xshare:auto -Djava.awt.headless=true "$logging$config"
        -cp "$root/.build/kafka/$kafka_minor/lib/*" "${@:2}")
}

kafka_start_node() { # ID
    local id=$1 folder
    folder=$(kafka_folder "$id")
    if pid_of "$folder" >/dev/null; then
        say "kafka     node $id is running already"
        return
    fi
    mkdir -p "$folder"
    kafka_properties "$id" >"$folder/server.properties"
    if [ ! -e "$folder/data/meta.properties" ]; then
        kafka_java -Xmx128m kafka.tools.StorageTool format --ignore-formatted -t "$cluster_id" \
            -c "$folder/server.properties"
        "${java[@]}" >"$folder/format.log" 2>&1 9>&- ||
            { cat "$folder/format.log" >&2 && die "Kafka could not prepare $folder/data"; }
    fi
    : >"$folder/log"
    kafka_java "${SENDFLEET_LOCAL_KAFKA_MEMORY:--Xms128m -Xmx384m}" kafka.Kafka "$folder/server.properties"
    start "$folder" "${java[@]}"
    say "kafka     node $id starting on 127.0.0.1:${broker_ports[$id]} (Kafka $kafka_minor)"
}

# A broker answers metadata before it is a member of the cluster, with no brokers in it: that is not ready.
kafka_ready() { # ID
    kcat -L -m 2 -b "127.0.0.1:${broker_ports[$1]}" 2>/dev/null | grep -q "^ $nodes brokers:"
}

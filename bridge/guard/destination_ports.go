package guard

// firstUserPort is the first port that a program may listen on without privileges
// (RFC 6335, section 6). Below it providers use 443 only.
const firstUserPort = 1024

// servicePorts are ports of well-known services that are not providers. Without this
// list, a record on the chain could make bridges connect to them anywhere. Browsers have
// such a list, too (https://fetch.spec.whatwg.org/#bad-port); this one has the services
// that they speak TLS to or that the list of browsers leaves out.
var servicePorts = map[uint16]string{
	// Mail, telephony and chat.
	4190: "ManageSieve", 5060: "SIP", 5061: "SIP", 5222: "XMPP", 5223: "XMPP", 5269: "XMPP", 5280: "XMPP",
	6665: "IRC", 6666: "IRC", 6667: "IRC", 6668: "IRC", 6669: "IRC", 6679: "IRC", 6697: "IRC",

	// Databases and caches.
	1433: "Microsoft SQL Server", 1434: "Microsoft SQL Server", 1521: "Oracle Database", 1522: "Oracle Database",
	2483: "Oracle Database", 2484: "Oracle Database", 3050: "Firebird", 3306: "MySQL", 33060: "MySQL",
	4333: "mSQL", 5432: "PostgreSQL", 5433: "PostgreSQL", 6432: "PgBouncer", 5984: "CouchDB", 6984: "CouchDB",
	6379: "Redis", 6380: "Redis", 16379: "Redis", 26379: "Redis Sentinel", 7000: "Cassandra", 7001: "Cassandra",
	7199: "Cassandra", 9042: "Cassandra", 9142: "Cassandra", 9160: "Cassandra", 7474: "Neo4j", 7687: "Neo4j",
	8086: "InfluxDB", 8123: "ClickHouse", 9440: "ClickHouse", 9200: "Elasticsearch", 9300: "Elasticsearch",
	11211: "memcached", 26257: "CockroachDB", 27017: "MongoDB", 27018: "MongoDB", 27019: "MongoDB", 28017: "MongoDB",
	50000: "Db2",

	// Message queues.
	1883: "MQTT", 8883: "MQTT", 4222: "NATS", 5671: "AMQP", 5672: "AMQP", 15672: "RabbitMQ", 9092: "Kafka",
	9093: "Kafka", 61616: "ActiveMQ", 61617: "ActiveMQ",

	// Infrastructure.
	2049: "NFS", 2181: "ZooKeeper", 2281: "ZooKeeper", 2375: "Docker", 2376: "Docker", 2377: "Docker", 2379: "etcd",
	2380: "etcd", 4001: "etcd", 4045: "NFS", 4243: "Docker", 4369: "Erlang", 6443: "Kubernetes", 8300: "Consul",
	8301: "Consul", 8500: "Consul", 8501: "Consul", 8200: "Vault", 8201: "Vault", 10250: "Kubernetes", 10255: "Kubernetes",
	10257: "Kubernetes", 10259: "Kubernetes", 3260: "iSCSI", 1099: "Java RMI", 1080: "SOCKS", 3128: "an HTTP proxy",
	1723: "PPTP", 1194: "OpenVPN",

	// Remote desktops and shells.
	3389: "Remote Desktop", 5900: "VNC", 5901: "VNC", 5902: "VNC", 5985: "WinRM", 5986: "WinRM", 6000: "X11", 2222: "SSH",
}

// Port checks the port of a provider: 443, or one from 1024 that does not belong to a
// well-known service of another kind, such as a database. The error is an
// *rpcerror.Error.
func (d Destinations) Port(port uint16) error {
	if d.AllowPrivate || port == 443 {
		return nil
	}
	if port < firstUserPort {
		return refused("the port %d is reserved for system services; a provider's is 443 or from %d on, unless the bridge runs with --allow-private-networks", port, firstUserPort)
	}
	if service, ok := servicePorts[port]; ok {
		return refused("the port %d is that of %s; connecting there needs --allow-private-networks", port, service)
	}
	return nil
}

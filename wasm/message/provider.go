package message

// Status is akash.provider.v1.Status, the response of GetStatus and StreamStatus.
var Status = &Table{
	{Number: 1, Name: "errors", Label: Repeated},
	{Number: 2, Name: "cluster", Kind: Message, Table: clusterStatus},
	{Number: 3, Name: "bidEngine", Kind: Message, Table: &Table{{Number: 1, Name: "orders", Kind: Uint32}}},
	{Number: 4, Name: "manifest", Kind: Message, Table: &Table{{Number: 1, Name: "deployments", Kind: Uint32}}},
	{Number: 5, Name: "publicHostnames", Label: Repeated},
	{Number: 6, Name: "timestamp", Kind: Timestamp},
	{Number: 7, Name: "reclamationWindow", Kind: Duration},
}

var clusterStatus = &Table{
	{Number: 1, Name: "leases", Kind: Message, Table: &Table{{Number: 1, Name: "active", Kind: Uint32}}},
	{Number: 2, Name: "inventory", Kind: Message, Table: &Table{
		{Number: 1, Name: "cluster", Kind: Message, Table: cluster},
		{Number: 2, Name: "reservations", Kind: Message, Table: &Table{
			{Number: 1, Name: "pending", Kind: Message, Table: reservationsMetric},
			{Number: 2, Name: "active", Kind: Message, Table: reservationsMetric},
		}},
		{Number: 3, Name: "leasedIp", Kind: Message, Table: resourcePair},
	}},
}

var reservationsMetric = &Table{
	{Number: 1, Name: "count", Kind: Uint32},
	{Number: 2, Name: "resources", Kind: Message, Table: &Table{
		{Number: 1, Name: "cpu", Kind: Quantity},
		{Number: 2, Name: "memory", Kind: Quantity},
		{Number: 3, Name: "gpu", Kind: Quantity},
		{Number: 4, Name: "ephemeralStorage", Kind: Quantity},
		{Number: 5, Name: "storage", Kind: Quantity, Label: Map},
	}},
}

var cluster = &Table{
	{Number: 1, Name: "nodes", Kind: Message, Label: Repeated, Table: &Table{
		{Number: 1, Name: "name"},
		{Number: 2, Name: "resources", Kind: Message, Table: nodeResources},
		{Number: 3, Name: "capabilities", Kind: Message, Table: &Table{
			{Number: 1, Name: "storageClasses", Label: Repeated},
		}},
	}},
	{Number: 2, Name: "storage", Kind: Message, Label: Repeated, Table: &Table{
		{Number: 1, Name: "quantity", Kind: Message, Table: resourcePair},
		{Number: 2, Name: "info", Kind: Message, Table: &Table{
			{Number: 1, Name: "class"},
			{Number: 2, Name: "iops"},
		}},
	}},
}

var nodeResources = &Table{
	{Number: 1, Name: "cpu", Kind: Message, Table: &Table{
		{Number: 1, Name: "quantity", Kind: Message, Table: resourcePair},
		{Number: 2, Name: "info", Kind: Message, Label: Repeated, Table: &Table{
			{Number: 1, Name: "id"},
			{Number: 2, Name: "vendor"},
			{Number: 3, Name: "model"},
			{Number: 4, Name: "vcores", Kind: Uint32},
		}},
	}},
	{Number: 2, Name: "memory", Kind: Message, Table: &Table{
		{Number: 1, Name: "quantity", Kind: Message, Table: resourcePair},
		{Number: 2, Name: "info", Kind: Message, Label: Repeated, Table: &Table{
			{Number: 1, Name: "vendor"},
			{Number: 2, Name: "type"},
			{Number: 3, Name: "totalSize"},
			{Number: 4, Name: "speed"},
		}},
	}},
	{Number: 3, Name: "gpu", Kind: Message, Table: &Table{
		{Number: 1, Name: "quantity", Kind: Message, Table: resourcePair},
		{Number: 2, Name: "info", Kind: Message, Label: Repeated, Table: &Table{
			{Number: 1, Name: "vendor"},
			{Number: 2, Name: "vendorId"},
			{Number: 3, Name: "name"},
			{Number: 4, Name: "modelid"},
			{Number: 5, Name: "interface"},
			{Number: 6, Name: "memorySize"},
		}},
	}},
	{Number: 4, Name: "ephemeralStorage", Kind: Message, Table: resourcePair},
	{Number: 5, Name: "volumesAttached", Kind: Message, Table: resourcePair},
	{Number: 6, Name: "volumesMounted", Kind: Message, Table: resourcePair},
}

var resourcePair = &Table{
	{Number: 1, Name: "allocatable", Kind: Quantity},
	{Number: 2, Name: "allocated", Kind: Quantity},
	{Number: 3, Name: "attributes", Kind: Message, Label: Repeated, Table: &Table{
		{Number: 1, Name: "key"},
		{Number: 2, Name: "value"},
	}},
	{Number: 4, Name: "capacity", Kind: Quantity},
}

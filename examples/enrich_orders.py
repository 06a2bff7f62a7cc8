"""Join a stream with a table: orders get the name and the price of their product, as they are when the order comes."""

from dataclasses import dataclass

import tankstreams as ts


@dataclass
class Product:
    name: str
    price: float


@dataclass
class Order:
    id: int
    product: str
    quantity: int


@dataclass
class Line:
    order: int
    what: str
    total: float


PRODUCTS = ts.Topic("products", key=str, value=Product)
ORDERS = ts.Topic("orders", key=int, value=Order)
LINES = ts.Topic("lines-of-orders", key=str, value=Line)


def line(order: Order, product: Product | None) -> Line:
    """Return what the order comes to; an unknown product costs nothing."""
    if product is None:
        return Line(order.id, f"unknown product {order.product}", 0.0)
    return Line(order.id, product.name, product.price * order.quantity)


topology = ts.Topology("enrich-orders")
(
    topology.stream(ORDERS)
    .key_by(lambda order: order.product, key=str, name="by-product")
    .left_join(topology.table(PRODUCTS), line, name="with-product")
    .to(LINES)
)

if __name__ == "__main__":
    with ts.open_log_sync("./tank-data") as log:
        for topic in (PRODUCTS, ORDERS):
            if topic.name not in {known.name for known in log.topics()}:
                log.create_topic(topic.name, partitions=4)
        # A join takes the table as it is at the record's time: the products come first.
        log.produce(
            PRODUCTS,
            [Product("Tea", 3.5), Product("Mug", 8.0)],
            keys=["tea", "mug"],
            timestamps=1_700_000_000_000,
        )
        orders = [Order(1, "tea", 2), Order(2, "mug", 1), Order(3, "hat", 1)]
        log.produce(ORDERS, orders, keys=[order.id for order in orders], timestamps=1_700_000_060_000)
    ts.run(topology, create_topics=True, until_end=True)
    with ts.open_log_sync("./tank-data") as log:
        for _, records in log.read(LINES):
            for found in LINES.value_codec.decode_column(records.values):
                print(found)

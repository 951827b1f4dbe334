// A small client of the Orders API: reads, reports and tells as JSON what it has seen. The types of every answer come from
// the API's own description.

import createClient from "openapi-fetch";
import type { components, paths } from "./orders-api.js";

declare const process: { argv: string[] };

type OrderDocument = components["schemas"]["OrderDocument"];
type ShipmentRequest = components["schemas"]["ShipmentRequest"];
type ProblemDocument = components["schemas"]["ProblemDocument"];

const [url = "", token = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });

function told(problem: ProblemDocument): never {
  throw new Error(`${problem.status} ${problem.code}: ${problem.detail}`);
}

async function allOrders(): Promise<OrderDocument[]> {
  const found: OrderDocument[] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = cursor === null ? { limit: 2 } : { limit: 2, cursor };
    const { data, error } = await client.GET("/v1/orders", { params: { query } });
    if (error) told(error);
    found.push(...data.orders);
    cursor = data.next === null ? null : new URL(data.next, url).searchParams.get("cursor");
  } while (cursor !== null);
  return found;
}

const orders = await allOrders();
const first = orders[0];
if (first === undefined) throw new Error("there is no order");

const one = await client.GET("/v1/orders/{id}", { params: { path: { id: first.id } } });
if (one.error) told(one.error);
const quantities: (number | null)[] = one.data.lines.map((line) => line.quantity_ordered);

const body: ShipmentRequest = {
  shipments: [
    { id: first.id, tracking_number: "TS1", carrier_code: "DPD", items: [{ item_original_id: "L1", item_quantity_shipped: 1 }] },
    { original_id: "nobody-knows", channel: "amazon_fr" },
  ],
};
// @ts-expect-error: a shipment names its order by `id` or `original_id`
const nameless: ShipmentRequest = { shipments: [{ tracking_number: "TS2" }] };
if (nameless.shipments.length !== 1) throw new Error("never");

const headers = { "Idempotency-Key": "typescript" };
const reported = await client.POST("/v1/shipments", { body, params: { header: headers } });
if (reported.error) told(reported.error);

const nothing = await client.POST("/v1/shipments", { body: { shipments: [{ original_id: "nobody-knows" }] } });
if (nothing.data) throw new Error("a shipment of an unknown order was taken");

const status = await client.GET("/v1/status");
if (status.error) told(status.error);

const unknown = await client.GET("/v1/orders/{id}", { params: { path: { id: "nobody-knows" } } });

console.log(
  JSON.stringify({
    orders: orders.map((each) => each.original_id),
    total: one.data.total,
    quantities,
    results: reported.data.results.map((each) => each.result),
    refusals: reported.data.results.flatMap((each) => each.errors.map((error) => error.code)),
    all_refused: [nothing.error.code, (nothing.error.results ?? []).map((each) => each.result)],
    channels: status.data.channels.map((each) => [each.channel, each.state]),
    unknown: unknown.error?.code,
  }),
);

// The npm package odata (o.js) at work; prints what it saw, as one JSON object.
//
//     node session.mjs http://127.0.0.1:7071/api/data <reader key>
//
// Whole numbers come as texts: JavaScript's own would lose digits of them.
import { createRequire } from "node:module";

const { o } = createRequire(import.meta.url)("odata");
const [root, key] = process.argv.slice(2);
const headers = {
  Accept: "application/json;odata.metadata=minimal;IEEE754Compatible=true",
  Authorization: `Basic ${Buffer.from(`reader:${key}`).toString("base64")}`,
};
const service = o(`${root}/`, { headers });
const whole = o(`${root}/`, { headers, fragment: "the whole answer" });

async function everyPage(resource, query) {
  const pages = [await whole.get(resource).query(query)];
  while (pages.at(-1)["@odata.nextLink"]) pages.push(await whole.get(pages.at(-1)["@odata.nextLink"]).query());
  return pages;
}

async function status(resource, query) {
  return service.get(resource).query(query).then(() => 200, (refused) => refused.status);
}

const pages = await everyPage("Orders", { $count: true });
const seen = {
  service: (await service.get().query()).map((each) => each.name),
  counts: pages.map((page) => page["@odata.count"]),
  rows: pages.flatMap((page) => page.value),
  some: await service.get("Orders").query({ $filter: "name eq 'O''Neil' and pieces gt 0", $select: "CustomerId,order" }),
  first: await service.get("Orders").query({ $orderby: "score desc,order", $top: 5, $select: "score" }),
  one: await service.get("Orders(CustomerId='c''0003',order='o%2F2')").query(),
  refused: [await status("Nobody"), await status("Orders", { $filter: "pieces eq 'x'" })],
};
process.stdout.write(JSON.stringify(seen) + "\n");

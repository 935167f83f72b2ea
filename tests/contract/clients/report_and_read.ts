// Report a tip and read the figure that it makes, with the types that openapi-typescript generated from the documents.
import createClient from "openapi-fetch";
import type { paths as Incidents } from "./incidents.js";
import type { paths as Stats } from "./stats.js";
import type { paths as Teams } from "./teams.js";

declare const process: { argv: string[] };

const [address, token, unit, day] = process.argv.slice(2) as [string, string, string, string];
const options = { baseUrl: address, headers: { Authorization: `Bearer ${token}` } };
const incidents = createClient<Incidents>(options);
const stats = createClient<Stats>(options);
const teams = createClient<Teams>(options);

const units = await teams.GET("/teams/v1/units", { params: { query: { parent: unit } } });
if (!units.data) throw new Error(JSON.stringify(units.error));

const reported = await incidents.POST("/incidents/v1/tips", {
  params: { header: { "Idempotency-Key": "8d1f0a52-52b5-4f0d-8a53-0f2f3f4f2a11" } },
  body: { unit, content: "Nhóm thanh niên tụ tập gây rối" },
});
if (!reported.data) throw new Error(reported.error.type);

const figures = await stats.GET("/stats/v1/counters", {
  params: { query: { unit, from: day, to: day, counted: reported.response.headers.get("Antt-Position") } },
});
if (!figures.data) throw new Error(JSON.stringify(figures.error));

console.log(JSON.stringify({ tip: reported.data.id, received: figures.data.counters["tips_received"] }));

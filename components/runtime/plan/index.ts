/** Plans by hand: the operations, their encoding, and what a launch says. `compile` is how a container gets its plan. */
export { OPS, type OpName } from "./ops.ts";
export { add, encodePlan, newPlan, type Op, type Plan } from "./plan.ts";
export { MESSAGE, ROLE, SYNC } from "./sync.ts";

/** What a bench is made of. Each file in cases/ holds one bench, or a few that share their set-up. */
import type { Subject } from "./subjects.ts";
import type { Timer } from "./timer.ts";

/** The place where the subjects are measured: one bundle for all, and a stopwatch outside of them. */
export interface Stand {
  readonly timer: Timer;
  /** Folder with config.json and rootfs; `true` is its program. */
  readonly bundle: string;
  /** The same with a program that sleeps for an hour. */
  readonly sleeper: string;
  /** Path of the static program that makes a container with the least of calls. */
  readonly floor: string;
  /** A container id that was never used. */
  freshId(): string;
}

export interface Probe extends AsyncDisposable {
  /** Measures once, in the unit of the bench. What is not part of the measure is done before and after it. */
  sample(): Promise<number>;
}

export interface Case {
  readonly name: string;
  readonly title: string;
  readonly unit: "ms" | "MB" | "kB";
  /** Whether the bare C program takes part. */
  readonly floor?: boolean;
  /** Only we have what is measured. */
  readonly alone?: boolean;
  /** @throws Error when the subject can't do what is measured; it is left out then, with the reason. */
  open(subject: Subject, stand: Stand): Promise<Probe>;
}

import { compilePrograms, Program } from '../gateway/program.js';
import type { FleetReply, FleetRequest } from './fake-fleet.js';

/** Starts the fleet's workers in a process of their own. */
export function compileFleetProgram(): Program<FleetRequest, FleetReply> {
  return new Program(compilePrograms(import.meta.dirname)('fake-fleet'), undefined);
}

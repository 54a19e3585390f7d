// Generated from ../v1 by `npm run generate`; do not edit.

/**
 * A catalogue id, or unknown: somebody moves, but no exercise is sure enough.
 */
export type Exercise = string;
/**
 * The exercise's calibrated probability; for unknown, that of the best exercise.
 */
export type Confidence = number;
/**
 * Repetitions that were completed.
 */
export type Repetitions = number;
/**
 * Movements that were cut short, and count as no repetition.
 */
export type Attempts = number;
/**
 * Seconds within repetitions; where none could be counted, as in a plank, all of it.
 */
export type TimeUnderTensionS = number;
/**
 * Mean length of a repetition, in seconds; null without any.
 */
export type TempoMeanS = number | null;
/**
 * Standard deviation of the repetitions' lengths, in seconds; null for fewer than two.
 */
export type TempoSpreadS = number | null;
/**
 * Repetitions of the left side, of a movement of one side or of alternating sides; absent unless at least half of the repetitions had a side.
 */
export type RepetitionsLeft = number;
/**
 * Repetitions of the right side, likewise.
 */
export type RepetitionsRight = number;
/**
 * Pairs of a left and a right repetition, likewise.
 */
export type Pairs = number;
/**
 * Seconds for which an exercise without repetitions, such as a plank, was held; absent for other exercises.
 */
export type HeldS = number;
/**
 * left or right, of the person; absent if both sides move, or the side is unknown.
 */
export type Side = string;
/**
 * A muscle group's catalogue id.
 */
export type MuscleGroup = string;

/**
 * What `data` of an event is, by its `type`. Add a plugin's events of yours by declaration merging:
 * declare module "fitsense-client" { interface EventData { "jumps.counted": { count: number } } }
 */
export interface EventData {
  "fitsense.exercise.ended": ExerciseEnded;
  "fitsense.exercise.started": ExerciseStarted;
  "fitsense.exercise.updated": ExerciseUpdated;
  "fitsense.muscles.activated": MusclesActivated;
  "fitsense.person.entered": PersonEntered;
  "fitsense.person.left": PersonLeft;
  "fitsense.repetition.completed": RepetitionCompleted;
  "fitsense.session.ended": SessionEnded;
  "fitsense.session.progress": SessionProgress;
  "fitsense.session.started": SessionStarted;
  "fitsense.session.updated": SessionUpdated;
  "fitsense.session.warning": SessionWarning;
}
/**
 * The exercise that was announced is over. Confidence, scores and muscles are means over it.
 */
export interface ExerciseEnded {
  exercise: Exercise;
  /**
   * Where it began, in seconds of media time
   */
  start_s: number;
  /**
   * Where it ended, in seconds of media time
   */
  end_s: number;
  /**
   * Its length, in seconds
   */
  duration_s: number;
  confidence: Confidence;
  scores: Scores;
  muscles: Muscles;
  repetitions?: Repetitions;
  attempts?: Attempts;
  time_under_tension_s?: TimeUnderTensionS;
  tempo_mean_s?: TempoMeanS;
  tempo_spread_s?: TempoSpreadS;
  repetitions_left?: RepetitionsLeft;
  repetitions_right?: RepetitionsRight;
  pairs?: Pairs;
  held_s?: HeldS;
  /**
   * What this stretch adds to the exercise's sets: no repetition is in the sets of two stretches. If the exercise is taken up again without a rest, the set goes on: the later stretch has a set of the same index, with what was done in that stretch only. session.ended has the whole sets.
   */
  sets?: ExerciseSet[];
  extensions?: Extensions;
}
/**
 * The best five labels and their probabilities, best first; no_exercise may be among them.
 */
export interface Scores {
  [k: string]: number;
}
/**
 * Activation of each muscle group, 0..1.
 */
export interface Muscles {
  [k: string]: number;
}
/**
 * Repetitions of one exercise without a rest between them: at least one, or none of an exercise that is held. Time under tension is at most the duration.
 */
export interface ExerciseSet {
  exercise: Exercise;
  /**
   * 1 for the exercise's first set in the session.
   */
  index: number;
  /**
   * Where it began, in seconds of media time
   */
  start_s: number;
  /**
   * Where it ended, in seconds of media time
   */
  end_s: number;
  /**
   * Its length, in seconds
   */
  duration_s: number;
  repetitions: Repetitions;
  attempts: Attempts;
  time_under_tension_s: TimeUnderTensionS;
  tempo_mean_s: TempoMeanS;
  tempo_spread_s: TempoSpreadS;
  repetitions_left?: RepetitionsLeft;
  repetitions_right?: RepetitionsRight;
  pairs?: Pairs;
  held_s?: HeldS;
  /**
   * Seconds since the set before it, of whatever exercise; null for the session's first.
   */
  rest_before_s: number | null;
}
/**
 * Parts of the tasks that plugins declare, by task. Consumers ignore those that they do not know.
 */
export interface Extensions {
  [k: string]: Extension;
}
/**
 * The part of a task that a plugin declares, over the stretch that the event reports. A plugin may add properties.
 */
export interface Extension {
  /**
   * one_of_many: one label holds. many_of_many: any number of labels hold. regression: numbers.
   */
  kind: "one_of_many" | "many_of_many" | "regression";
  /**
   * Probabilities by label, or the numbers of a regression by name.
   */
  values: {
    [k: string]: number;
  };
  /**
   * The likeliest label, if one of them holds.
   */
  label?: string;
  /**
   * Unit of the numbers of a regression, if they have one.
   */
  unit?: string;
}
/**
 * An exercise, or unknown movement, began at start_s. Told once it has held for a while, so start_s lies before the event.
 */
export interface ExerciseStarted {
  exercise: Exercise;
  /**
   * Where it began, in seconds of media time
   */
  start_s: number;
  confidence: Confidence;
}
/**
 * The exercise that was announced goes on.
 */
export interface ExerciseUpdated {
  exercise: Exercise;
  /**
   * Where it began, in seconds of media time
   */
  start_s: number;
  /**
   * Until where it is known to go on, in seconds of media time
   */
  end_s: number;
  /**
   * So far, in seconds
   */
  duration_s: number;
  confidence: Confidence;
  scores: Scores;
  box?: Box;
  /**
   * Name of the tracked person within the session; another name means that another person is analysed. Absent if nobody is tracked.
   */
  person?: string;
  extensions?: Extensions;
}
/**
 * The part of the picture that contains the person's body, in shares of the picture's width and height, from the upper left corner.
 */
export interface Box {
  /**
   * Left edge.
   */
  left: number;
  /**
   * Upper edge.
   */
  top: number;
  /**
   * Right edge.
   */
  right: number;
  /**
   * Lower edge.
   */
  bottom: number;
}
/**
 * Mean activation of the muscle groups over a stretch of exercise.
 */
export interface MusclesActivated {
  /**
   * Start of the stretch, in seconds of media time
   */
  start_s: number;
  /**
   * End of the stretch, in seconds of media time
   */
  end_s: number;
  muscles: Muscles;
}
/**
 * Somebody came into the picture. Only sessions that track a person's landmarks emit it.
 */
export interface PersonEntered {
  /**
   * Name of the tracked person within the session. Somebody who comes back after some seconds has another name.
   */
  person: string;
  /**
   * When they were seen first, in seconds of media time
   */
  start_s: number;
}
/**
 * Somebody who had entered was not seen for some seconds, another person is analysed, or the frames ended.
 */
export interface PersonLeft {
  /**
   * Name of the tracked person within the session. Somebody who comes back after some seconds has another name.
   */
  person: string;
  /**
   * When they entered, in seconds of media time
   */
  start_s: number;
  /**
   * When they were seen last, in seconds of media time
   */
  end_s: number;
}
/**
 * One repetition of the exercise that goes on, told at most one repetition late.
 */
export interface RepetitionCompleted {
  exercise: Exercise;
  /**
   * 1 for the first repetition of the set.
   */
  index: number;
  /**
   * Where it began, in seconds of media time
   */
  start_s: number;
  /**
   * Where it ended, in seconds of media time
   */
  end_s: number;
  /**
   * Its length, in seconds
   */
  duration_s: number;
  /**
   * How regular and how large the movement was, beside others of its kind.
   */
  confidence: number;
  side?: Side;
  pairs?: Pairs;
  /**
   * The joint that moves most: elbow, shoulder, hip or knee; others may come. Absent if the joints are unknown, as are the fields about its range.
   */
  joint?: string;
  /**
   * Range of motion: by how much the joint's angle changes, in degrees.
   */
  range_deg?: number;
  /**
   * How visible the joint was.
   */
  range_confidence?: number;
  phases?: Phases;
  /**
   * The phases in whole seconds, as trainers write them: 3-1-1-0.
   */
  tempo?: string;
}
/**
 * Durations of the parts of a repetition, in order.
 */
export interface Phases {
  /**
   * From the start position to the turning point, in seconds
   */
  out_s: number;
  /**
   * Pause at the turning point, in seconds
   */
  far_s: number;
  /**
   * From the turning point back to the start position, in seconds
   */
  back_s: number;
  /**
   * Pause at the start position before the next repetition, in seconds
   */
  near_s: number;
  /**
   * How clearly the movement goes one way and comes back the same way.
   */
  confidence: number;
}
/**
 * The last event of a session: its summary.
 */
export interface SessionEnded {
  /**
   * finished, interrupted or failed; others may come.
   */
  reason: string;
  /**
   * Frames that were looked at.
   */
  frames: number;
  /**
   * Frames that were dropped as late.
   */
  late_frames: number;
  /**
   * Predictions made.
   */
  windows: number;
  /**
   * One entry for each exercise that was seen, longest first.
   */
  exercises: {
    exercise: Exercise;
    /**
     * Sets of it; 0 for unknown movement in which nothing was repeated.
     */
    sets: number;
    /**
     * In all, in seconds
     */
    duration_s: number;
    repetitions?: Repetitions;
    attempts?: Attempts;
    time_under_tension_s?: TimeUnderTensionS;
    tempo_mean_s?: TempoMeanS;
    tempo_spread_s?: TempoSpreadS;
    repetitions_left?: RepetitionsLeft;
    repetitions_right?: RepetitionsRight;
    pairs?: Pairs;
    held_s?: HeldS;
    /**
     * Rests before its sets, in all, in seconds
     */
    rest_s?: number;
  }[];
  /**
   * Time of the first frame, in seconds of media time
   */
  start_s: number;
  /**
   * End of the last frame, in seconds of media time
   */
  end_s: number;
  /**
   * From first to last frame, in seconds
   */
  duration_s: number;
  /**
   * Media time in no exercise, gaps left out, in seconds
   */
  idle_s: number;
  /**
   * Activation integrated over exercise time, by muscle group: seconds at full activation.
   */
  muscle_load_s: {
    [k: string]: number;
  };
  /**
   * Every set, in the order of time.
   */
  sets?: ExerciseSet[];
  /**
   * Activation summed over repetitions, by muscle group: repetitions at full activation.
   */
  muscle_load_repetitions?: {
    [k: string]: number;
  };
}
/**
 * Media time was analysed, whether or not anything happened: a sign of life that comes every progress_interval_s seconds of media time.
 */
export interface SessionProgress {
  /**
   * End of the previous session.progress, or the first frame, in seconds of media time
   */
  start_s: number;
  /**
   * Until when frames were analysed, in seconds of media time
   */
  end_s: number;
  /**
   * Number of frames so far
   */
  frames: number;
  /**
   * A catalogue id, or unknown: somebody moves, but no exercise is sure enough.
   */
  exercise?: string;
  /**
   * Number of people who are analysed now. Absent if nobody is tracked.
   */
  people?: number;
}
/**
 * The first event of a session: what it looks for, and how.
 */
export interface SessionStarted {
  model: {
    name: string;
    version: string;
  };
  /**
   * What the session may name, without unknown and no_exercise: all that the model knows, or fewer where the host expects only these.
   *
   * @minItems 1
   */
  exercises: Exercise[];
  muscle_groups: MuscleGroup[];
  /**
   * Media time that one prediction looks at, in seconds.
   */
  window_s: number;
  /**
   * Media time between predictions, in seconds.
   */
  hop_s: number;
}
/**
 * The host changed which exercises the session may name. Predictions from start_s on follow.
 */
export interface SessionUpdated {
  /**
   * What the session may name from now on, without unknown and no_exercise, which are always possible.
   *
   * @minItems 1
   */
  exercises: Exercise[];
  /**
   * The exercise that counts as more likely than the model says, one of exercises; null for none.
   */
  expected: string | null;
  /**
   * Since when, in seconds of media time.
   */
  start_s: number;
}
/**
 * Something that a host may want to tell its user; the session goes on.
 */
export interface SessionWarning {
  /**
   * gap: media time without frames. frame_rate_assumed: the source states no frame rate, so that its times may run too fast or too slow. times_suspicious: frames come so far apart that their times may be in milliseconds instead of seconds. frame_rate_low: there are too few frames a second to count repetitions. too_short: all of the source is shorter than one window. late_frame: a frame was dropped since its time is not after the frame before it. clock_reset: the source's clock was set back, and its times are shifted from now on. source_damaged: the source cannot be decoded further. source_truncated: the source ends before its own header says. dropped_frames: analysis does not keep up, and frames were left out. behind: analysis does not keep up, and lags behind. reconnecting: a live source is gone, and is asked for again. reconnected: it is back. source_lost: a live source is gone for good. bundle_fallback: another bundle analyses in place of the requested one, whose files cannot be fetched. software_decoding: hardware was asked to decode the source, and the CPU does. no_person, no_motion: nobody is there, or nothing moves. person_cut_off: parts of the person's body are outside the picture; limbs says which. person_small: the person is too far from the camera. person_upside_down: the picture shows the person upside down. several_people: more people are there than are analysed. picture_black, picture_frozen, camera_blocked: the camera shows nothing, always the same, or what covers it. camera_cut, camera_moved: the picture shows another place, or the same one from elsewhere. plugin_failed: a plugin's events are left out, since they do not obey its schema or the plugin fails. Others may come.
   */
  code: string;
  /**
   * For people to read.
   */
  message: string;
  /**
   * Start of what is meant, in seconds of media time
   */
  start_s: number;
  /**
   * End of what is meant, so far, in seconds of media time
   */
  end_s: number;
  /**
   * Whether it is over. What goes on is told when it has lasted for a while, and once more, with the same start, when it is over or the session ends.
   */
  over?: boolean;
  /**
   * Of person_cut_off: head, left_arm, right_arm, left_leg and right_leg, as far as they are outside the picture; others may come.
   */
  limbs?: string[];
}
/**
 * CloudEvents 1.0 attributes of every event, with the sequence extension. data obeys the schema that dataschema names. Consumers must ignore properties and types that they do not know.
 */
export interface Envelope {
  specversion: "1.0";
  /**
   * Unique within source.
   */
  id: string;
  /**
   * The session, as its host named it.
   */
  source: string;
  /**
   * fitsense. and the name of the event, such as fitsense.exercise.ended; a plugin's own events begin with the plugin's name.
   */
  type: string;
  /**
   * Wall-clock time: the session's start plus media time. A session whose host gives no start counts from 1970-01-01T00:00:00Z.
   */
  time: string;
  /**
   * Order of emission within source, from 0000000000 on, with holes only where a session was continued after a crash; order as text is order.
   */
  sequence: string;
  /**
   * Who or what the event is about, where a session tells several apart.
   */
  subject?: string;
  datacontenttype: "application/json";
  /**
   * $id of the schema that data obeys.
   */
  dataschema: string;
  data: {
    [k: string]: unknown;
  };
}
/**
 * What a client says in text over a session's WebSocket. finish: no more pictures come; what waits is analysed, and the session ends.
 */
export interface Control {
  /**
   * What to do.
   */
  op: "finish";
}
/**
 * What was wrong, as of RFC 9457. Ignore members that you do not know.
 */
export interface Problem {
  /**
   * What kind it is; programs decide by it.
   */
  type: string;
  /**
   * The kind in words.
   */
  title: string;
  /**
   * The HTTP status.
   */
  status: number;
  /**
   * What was expected, and what came.
   */
  detail: string;
  /**
   * For events that are gone: number of the first that is kept.
   */
  first?: number;
}
/**
 * A session of the server.
 */
export interface Session {
  /**
   * Its name in addresses.
   */
  id: string;
  /**
   * Whether it goes on. One that ended can be read for some minutes.
   */
  state: "open" | "ending" | "ended";
  /**
   * Why it ended, as its session.ended says; null before.
   */
  reason: "finished" | "interrupted" | "failed" | null;
  /**
   * Where its pictures come from: clients push them, the server reads a source, or an upload.
   */
  mode: "push" | "source" | "upload";
  /**
   * The bundle that it runs.
   */
  bundle: string;
  /**
   * The source that it reads, by its name in the configuration.
   */
  source: string | null;
  /**
   * Where in the picture to look, in shares of its width and height; null for all of it.
   */
  region: {
    /**
     * Where it begins.
     */
    left: number;
    /**
     * Likewise.
     */
    top: number;
    /**
     * Where it ends.
     */
    right: number;
    /**
     * Likewise.
     */
    bottom: number;
  } | null;
  /**
   * Media time between predictions, in seconds.
   */
  hop_s: number;
  /**
   * The only exercises that may be named, as the bundle's labels call them, beside unknown and no_exercise; null for all.
   *
   * @minItems 1
   */
  exercises?: Exercise[] | null;
  /**
   * The exercise that a guided workout asks for, which counts as more likely than the bundle says; null for none.
   */
  expected?: string | null;
  /**
   * Whether everybody is followed.
   */
  people: boolean;
  /**
   * What happens when analysis is slower than what comes: latest drops the oldest pictures that wait, all drops none and falls behind. Either is told by a session.warning.
   */
  policy: "latest" | "all";
  /**
   * When it was opened.
   */
  created_at: string;
  /**
   * source of its events.
   */
  event_source: string;
  /**
   * How many were told.
   */
  events: number;
  /**
   * Pictures that were analysed.
   */
  frames: number;
  /**
   * Pictures that were dropped, since analysis is slower.
   */
  dropped_frames: number;
  /**
   * How often the server continued it after a crash.
   */
  restarts?: number;
  /**
   * Media time in seconds of the newest picture that the server had kept when it continued the session last; later ones are lost unless they are pushed again. Null if it kept none, or never continued it.
   */
  resumed_s?: number | null;
}
/**
 * A session as it is asked for. What is left out has its default: pictures are pushed, and the server's first bundle looks at all of them.
 */
export interface SessionRequest {
  /**
   * One of the server's bundles, by name; null for its first.
   */
  bundle?: string | null;
  /**
   * One of the sources that the server's configuration names, or name/file for a file in a folder of those; null to push pictures.
   */
  source?: string | null;
  /**
   * Where in the picture to look, in shares of its width and height; null for all of it.
   */
  region?: {
    /**
     * Where it begins.
     */
    left: number;
    /**
     * Likewise.
     */
    top: number;
    /**
     * Where it ends.
     */
    right: number;
    /**
     * Likewise.
     */
    bottom: number;
  } | null;
  /**
   * Media time between predictions, in seconds.
   */
  hop_s?: number;
  /**
   * The only exercises that may be named, as the bundle's labels call them, beside unknown and no_exercise; null for all.
   *
   * @minItems 1
   * @maxItems 256
   */
  exercises?: Exercise[] | null;
  /**
   * The exercise that a guided workout asks for, which counts as more likely than the bundle says; null for none.
   */
  expected?: string | null;
  /**
   * Follow everybody in the picture, each with events of their own; not beside a region.
   */
  people?: boolean;
  /**
   * What happens when analysis is slower than what comes: latest drops the oldest pictures that wait, all drops none and falls behind. Either is told by a session.warning.
   */
  policy?: "latest" | "all";
  /**
   * Wall-clock time of media time 0, for the events' time. Null for when a camera was opened or the first picture came; files count from 1970.
   */
  started_at?: string | null;
}

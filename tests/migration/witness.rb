# What Ruby itself makes of configurations: runs those named on the command line, one after another, and prints
# for each a line of JSON with everything it did to the objects of the predecessor, in order. Nothing of the
# predecessor is here: every object takes every call and writes it down.
require "json"

class Recorder < BasicObject
  def initialize(name, log)
    @name, @log = name, log
  end

  def method_missing(method, *arguments, **options, &block)
    @log << [@name, method.to_s, ::Witness.plain(arguments), ::Witness.plain(options)]
    if block && arguments.length == 1
      @log << ["", "begin"]
      block.call(::Recorder.new("block", @log))
      @log << ["", "end"]
    end
    nil
  end

  def respond_to_missing?(*)
    true
  end
end

class Witness
  OBJECTS = %w[package security log manager controller database s25r remote_network trust stress dnsbl]

  def self.plain(value)
    case value
    when Regexp then {"source" => value.source, "ignores_case" => value.casefold?}
    when Symbol then value.to_s
    when Array then value.map { |one| plain(one) }
    when Hash then value.to_h { |key, one| [key.to_s, plain(one)] }
    else value
    end
  end

  attr_reader :done

  def initialize
    @done = []
    top = Recorder.new("", @done)
    OBJECTS.each do |name|
      recorder = Recorder.new(name, @done)
      define_singleton_method(name) { recorder }
    end
    %w[define_milter define_applicable_condition restrict_accounts_by_list load load_default load_if_exist
       remove_milter].each do |name|
      define_singleton_method(name) { |*a, **o, &b| top.__send__(:method_missing, name.to_sym, *a, **o, &b) }
    end
  end
end

ARGV.each do |file|
  witness = Witness.new
  witness.instance_eval(File.read(file), file)
  puts JSON.generate(witness.done)
end
